// The same numbers as tables: for screen readers, for copying, and for who likes tables better. Names are the clients' words: text only.
import { columns, formatOf, nameOf, recordsOf } from "./options.js";

export function seriesTable(context, kind) {
  const { points, step } = context.data, all = columns(context, kind), format = formatOf(context, kind);
  const rows = points.filter(context.has).reverse().map(p => [
    anchor(context.format.clock.whole(p.t), context.link(p.t, new Date(Date.parse(p.t) + step * 1000).toISOString())),
    ...all.map(s => s.of(p)).map(v => v === null ? "–" : format(v)),
  ]);
  return table(context, [context.texts.time, ...all.map(s => s.name)], rows);
}

export function barTable(context, by, groups) {
  const { number, duration, size } = context.format, time = v => v === null ? "–" : duration(v);
  const rows = groups.map(g => [
    anchor(nameOf(context, g), recordsOf(context, by, g)), number(g.total.calls), number(g.total.errors), time(g.total.p50), time(g.total.p95), time(g.total.p99), size(g.total.requestBytes), size(g.total.responseBytes),
  ]);
  return table(context, [context.texts[by], context.texts.calls, context.texts.failed, "p50", "p95", "p99", context.texts.in, context.texts.out], rows);
}

function anchor(text, href) {
  return href ? Object.assign(document.createElement("a"), { href, textContent: text }) : text;
}

function table(context, heads, rows) {
  if (rows.length === 0) return Object.assign(document.createElement("p"), { className: "muted", textContent: context.texts.empty });
  const at = document.createElement("table"), head = at.createTHead().insertRow(), body = at.createTBody();
  at.className = "table";
  heads.forEach((text, i) => head.append(Object.assign(document.createElement("th"), { textContent: text, scope: "col", className: i ? "num" : "" })));
  for (const cells of rows) {
    const row = body.insertRow();
    cells.forEach((cell, i) => {
      const to = row.insertCell();
      to.className = i ? "num" : "";
      to.append(cell);
    });
  }
  return at;
}
