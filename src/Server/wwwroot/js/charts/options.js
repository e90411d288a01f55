// What ECharts is told, chart by chart. Colours come from the page's own variables; shapes and dashes tell series apart as well.
const series = {
  calls: c => [
    { name: c.texts.ok, type: "bar", stack: "calls", color: c.colours("primary"), of: p => p.calls - p.errors },
    { name: c.texts.failed, type: "bar", stack: "calls", color: c.colours("red"), of: p => p.errors },
  ],
  latency: c => [
    { name: "p50", type: "line", color: c.colours("third"), of: p => p.p50 },
    { name: "p95", type: "line", color: c.colours("primary"), dash: [6, 3], of: p => p.p95 },
    { name: "p99", type: "line", color: c.colours("muted"), dash: [2, 3], of: p => p.p99 },
  ],
  bytes: c => [
    { name: c.texts.in, type: "line", color: c.colours("third"), dash: [6, 3], of: p => p.calls ? p.requestBytes : null },
    { name: c.texts.out, type: "line", color: c.colours("primary"), of: p => p.calls ? p.responseBytes : null },
  ],
  cpu: c => [{ name: c.texts.cores, type: "line", color: c.colours("primary"), of: p => p.cpu }],
  memory: c => [
    { name: c.texts.average, type: "line", color: c.colours("primary"), of: p => p.memoryBytes },
    { name: c.texts.most, type: "line", color: c.colours("muted"), dash: [2, 3], of: p => p.memoryMost },
  ],
  processes: c => [{ name: c.texts.most, type: "line", color: c.colours("primary"), of: p => p.processes }],
  network: c => [
    { name: c.texts.in, type: "line", color: c.colours("third"), dash: [6, 3], of: p => p.receivedBytes },
    { name: c.texts.out, type: "line", color: c.colours("primary"), of: p => p.sentBytes },
  ],
};
const inBytes = new Set(["bytes", "memory", "network"]), whole = new Set(["calls", "processes"]);
export const columns = (context, kind) => series[kind](context);
export const formatOf = (context, kind) => kind === "latency" ? context.format.duration : inBytes.has(kind) ? context.format.size : kind === "cpu" ? context.format.cores : context.format.number;

export function seriesOption(context, kind) {
  const { points } = context.data, all = columns(context, kind), format = formatOf(context, kind);
  return {
    ...frame(context, all.map(s => s.name)),
    xAxis: {
      type: "category", data: points.map(p => p.t), boundaryGap: true,
      axisLabel: { ...label(context), formatter: t => context.format.clock.axis(t), hideOverlap: true }, axisLine: line(context), axisTick: { show: false },
      axisPointer: { show: true, type: "line", label: { show: false }, lineStyle: { color: context.colours("muted"), type: "solid" } },
    },
    yAxis: { type: "value", min: 0, minInterval: whole.has(kind) ? 1 : undefined, splitNumber: 4, ...(inBytes.has(kind) && binary(points, all)), axisLabel: { ...label(context), formatter: format }, splitLine: { lineStyle: { color: context.colours("border-soft") } } },
    tooltip: {
      ...tip(context), trigger: "axis",
      formatter: items => box(context.format.clock.whole(items[0].axisValue), items.map(i => [i.color, i.seriesName, i.value === null || i.value === undefined ? "–" : format(i.value)])),
    },
    series: all.map(s => ({
      name: s.name, type: s.type, stack: s.stack, color: s.color, data: points.map(s.of), connectNulls: false, barMaxWidth: 22, barCategoryGap: "20%", emphasis: { disabled: true },
      // A point between two gaps has no line; it is shown as a point.
      ...(s.type === "line" && { symbol: "circle", symbolSize: 5, showSymbol: true, showAllSymbol: true, symbolKeepAspect: true, lineStyle: { width: 2, type: s.dash ?? "solid" }, itemStyle: { opacity: 1 } }),
    })).map(s => s.type === "line" ? alone(s) : s),
  };
}

/** Steps of whole KiB, MiB … where the library would take powers of ten. */
function binary(points, all) {
  const most = Math.max(4, ...points.flatMap(p => all.map(s => s.of(p) ?? 0)));
  const unit = 1024 ** Math.floor(Math.log2(most) / 10), step = most / 4 / unit;
  const interval = unit * ([0.25, 0.5, 1, 2, 5, 10, 20, 25, 50, 100, 200, 256].find(n => n >= step) ?? 256);
  return { interval, max: Math.ceil(most / interval) * interval };
}

/** Symbols only where neighbours are gaps. */
function alone(s) {
  const empty = i => s.data[i] === null || s.data[i] === undefined;
  return { ...s, data: s.data.map((value, i) => ({ value, symbol: !empty(i) && empty(i - 1) && empty(i + 1) ? "circle" : "none" })) };
}

export function barsOption(context, by, groups) {
  const shown = groups.slice(0, 10);
  const data = (of, failed) => shown.map(g => ({ value: of(g.total), link: recordsOf(context, by, g, failed) }));
  const names = shown.map((g, i) => `${i}\u0000${nameOf(context, g)}`); // categories must differ, names need not
  const bare = name => name.slice(name.indexOf("\u0000") + 1);
  return {
    ...frame(context, [context.texts.ok, context.texts.failed]),
    xAxis: { type: "value", min: 0, minInterval: 1, splitNumber: 4, axisLabel: { ...label(context), formatter: context.format.number, hideOverlap: true }, splitLine: { lineStyle: { color: context.colours("border-soft") } } },
    yAxis: { type: "category", inverse: true, data: names, axisLabel: { ...label(context), formatter: bare, width: 130, overflow: "truncate", interval: 0 }, axisLine: line(context), axisTick: { show: false } },
    tooltip: {
      ...tip(context), trigger: "axis", axisPointer: { type: "shadow" },
      formatter: items => {
        const group = shown[items[0].dataIndex], t = group.total;
        return box(nameOf(context, group), [...items.map(i => [i.color, i.seriesName, context.format.number(i.value)]), ["transparent", "p50 / p95 / p99", [t.p50, t.p95, t.p99].map(v => v === null ? "–" : context.format.duration(v)).join(" / ")]]);
      },
    },
    series: [
      { name: context.texts.ok, type: "bar", stack: "calls", color: context.colours("primary"), data: data(t => t.calls - t.errors), barMaxWidth: 18, emphasis: { disabled: true }, cursor: "pointer" },
      { name: context.texts.failed, type: "bar", stack: "calls", color: context.colours("red"), data: data(t => t.errors, true), barMaxWidth: 18, emphasis: { disabled: true }, cursor: "pointer" },
    ],
  };
}

export const nameOf = (context, group) => group.name ?? (group.key === "" ? context.texts[group.by === "token" ? "no-token" : "none"] : group.key === "(other)" ? context.texts.other : group.key);

/** Records of a group; those without a name cannot be asked for. */
export function recordsOf(context, by, group, failed) {
  if (group.key === "" || group.key === "(other)") return null;
  const filter = by === "tool" ? { method: "tools/call", tool: group.key } : by === "token" ? { token: group.key } : by === "instance" ? { server: group.key } : { client: group.key };
  return context.link(context.data.from, context.data.to, { ...filter, ...(failed && { result: "error" }) });
}

const label = context => ({ color: context.colours("muted"), fontSize: 11, fontFamily: context.colours("font") });
const line = context => ({ lineStyle: { color: context.colours("border") } });
const tip = () => ({ confine: true, appendTo: undefined, transitionDuration: 0, className: "plot-tip", backgroundColor: "transparent", borderWidth: 0, padding: 0, extraCssText: "box-shadow:none" });

function frame(context, names) {
  return {
    animation: false, aria: { enabled: false }, textStyle: { fontFamily: context.colours("font") },
    grid: { left: 4, right: 14, top: 38, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    legend: { data: names, right: 4, top: 2, itemWidth: 18, itemHeight: 9, itemGap: 16, textStyle: { ...label(context), fontSize: 12 }, inactiveColor: context.colours("border"), selectedMode: true },
  };
}

function box(title, rows) {
  const at = document.createElement("div");
  at.append(Object.assign(document.createElement("b"), { textContent: title }));
  for (const [colour, name, value] of rows) {
    const row = document.createElement("div"), mark = document.createElement("i");
    mark.style.background = colour;
    row.append(mark, Object.assign(document.createElement("span"), { textContent: name }), Object.assign(document.createElement("b"), { textContent: value }));
    at.append(row);
  }
  return at;
}
