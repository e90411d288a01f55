// Charts of traffic, and of what servers use: reads the API, draws, and follows theme, size and time. What is shown is decided by the page (show); nothing is kept here.
import { barsOption, columns, seriesOption } from "./options.js";
import { barTable, seriesTable } from "./tables.js";

let library;
const load = () => library ??= import("./echarts.js");
const base = document.baseURI;
const groups = { tools: "tool", tokens: "token", clients: "client", servers: "instance" };
let count = 0;

export async function mount(host, settings) {
  const view = new TrafficView(host, settings, await load());
  return { show: query => view.show(query), dispose: () => view.dispose() };
}

class TrafficView {
  constructor(host, settings, echarts) {
    Object.assign(this, { host, texts: settings.texts, ofUse: settings.source === "usage", ahead: settings.now - Date.now(), group: `traffic-${++count}` });
    this.charts = [...host.querySelectorAll("[data-chart]")].map(card => this.prepare(card, echarts));
    echarts.connect(this.group);
    this.size = new ResizeObserver(() => this.charts.forEach(c => c.chart.resize()));
    this.charts.forEach(c => this.size.observe(c.plot));
    this.theme = new MutationObserver(() => this.draw());
    this.theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }

  prepare(card, echarts) {
    const item = { card, kind: card.dataset.chart, plot: card.querySelector(".plot"), empty: card.querySelector(".plot-empty"), table: card.querySelector(".plot-table"), button: card.querySelector("[data-table]") };
    item.chart = echarts.init(item.plot, null, { renderer: "svg" });
    if (!groups[item.kind]) {
      item.chart.group = this.group; // one crosshair for all that share the time axis
      item.chart.getZr().on("click", e => this.openAt(item, e));
      item.chart.getZr().on("mousemove", e => item.chart.getZr().setCursorStyle(!this.ofUse && item.chart.containPixel("grid", [e.offsetX, e.offsetY]) ? "pointer" : "default"));
    } else {
      item.chart.on("click", e => this.open(e.data?.link));
    }
    item.button.addEventListener("click", () => {
      item.button.setAttribute("aria-pressed", item.button.getAttribute("aria-pressed") !== "true");
      this.drawOne(item);
    });
    item.button.disabled = false; // before this a click would be lost
    return item;
  }

  async show(query) {
    this.query = query;
    clearTimeout(this.timer);
    await this.read();
  }

  async read() {
    const query = this.query, to = Date.now() + this.ahead;
    const common = { from: new Date(to - query.range * 1000).toISOString(), to: new Date(to).toISOString(), ...(query.instance && { instance: query.instance }) };
    const by = this.charts.map(c => groups[c.kind]).filter(Boolean);
    this.reading?.abort();
    this.reading = new AbortController();
    try {
      const answers = this.ofUse ? [await this.ask(`instances/${encodeURIComponent(query.instance)}/usage/history`, { from: common.from, to: common.to }, this.reading.signal)] : await Promise.all((by.length ? by : [null]).map(b => this.get({ ...common, ...(b && { by: b }) }, this.reading.signal)));
      if (query !== this.query || this.gone) return;
      this.data = answers[0];
      this.groups = Object.fromEntries(answers.filter(a => a.by).map(a => [a.by, a.groups.map(g => ({ ...g, by: a.by }))]));
      this.say(null);
      this.draw();
    } catch (e) {
      if (e.name === "AbortError" || this.gone) return;
      this.say(e.message);
    }
    this.host.dataset.at = String(Date.now());
    clearTimeout(this.timer);
    if (query.live) this.timer = setTimeout(() => this.read(), document.hidden || this.ofUse ? 15000 : query.range <= 3600 ? 3000 : 30000);
  }

  get(query, signal) { return this.ask("traffic", query, signal); }

  async ask(path, query, signal) {
    const answer = await fetch(new URL(`api/v1/${path}?${new URLSearchParams(query)}`, base), { signal, headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error((await answer.json().catch(() => null))?.detail ?? `HTTP ${answer.status}`);
    return answer.json();
  }

  say(problem) {
    const box = this.host.querySelector("[data-problem]");
    box.hidden = !problem;
    box.querySelector("p").textContent = problem ?? "";
  }

  draw() {
    if (!this.data) return;
    this.sums();
    this.charts.forEach(c => this.drawOne(c));
  }

  sums() {
    if (this.ofUse) return;
    const total = this.data.total, put = (name, value) => { const at = this.host.querySelector(`[data-sum=${name}]`); if (at) at.textContent = value; };
    put("calls", number(total.calls));
    put("errors", number(total.errors));
    put("share", total.calls ? (total.errors / total.calls).toLocaleString(language(), { style: "percent", maximumFractionDigits: 1 }) : "–");
    put("p95", total.p95 === null ? "–" : duration(total.p95));
    put("p50", total.p50 === null ? "–" : duration(total.p50));
    put("in", size(total.requestBytes));
    put("out", size(total.responseBytes));
  }

  drawOne(item) {
    if (!this.data) return;
    const asTable = item.button.getAttribute("aria-pressed") === "true";
    const by = groups[item.kind], rows = by ? this.groups[by] ?? [] : this.data.points, none = by ? rows.length === 0 : this.ofUse ? !rows.some(p => columns({ texts: this.texts, colours: colours() }, item.kind).some(s => s.of(p) !== null)) : this.data.total.calls === 0;
    if (item.kind === "network") item.card.hidden = none; // measured in containers only
    item.plot.hidden = asTable;
    item.table.hidden = !asTable;
    item.empty.hidden = !none || asTable;
    const context = { texts: this.texts, data: this.data, has: this.ofUse ? p => p.memoryBytes !== null : p => p.calls > 0, link: (from, to, more) => this.link(from, to, more), colours: colours(), format: { number, cores, duration, size, clock: clock(this.data) } };
    if (asTable) {
      item.table.replaceChildren(by ? barTable(context, by, rows) : seriesTable(context, item.kind));
      return;
    }
    const option = by ? barsOption(context, by, rows) : seriesOption(context, item.kind);
    item.plot.setAttribute("aria-label", `${item.card.querySelector("h2").textContent}. ${none ? this.texts.empty : this.texts["as-table"]}`);
    item.chart.resize();
    item.chart.setOption(option, { notMerge: true });
  }

  openAt(item, e) {
    if (this.ofUse || !item.chart.containPixel("grid", [e.offsetX, e.offsetY])) return;
    const point = this.data.points[Math.round(item.chart.convertFromPixel({ xAxisIndex: 0 }, e.offsetX))];
    if (point) this.open(this.link(point.t, new Date(Date.parse(point.t) + this.data.step * 1000).toISOString()));
  }

  /** The access log of a window; the counts are of posted messages, so are the records. */
  link(from, to, more) {
    return this.ofUse ? null : `${this.query.records}?${new URLSearchParams({ from, to, http: "POST", ...more })}`;
  }

  open(path) { if (path) window.Blazor.navigateTo(new URL(path, base).href); }

  dispose() {
    this.gone = true;
    clearTimeout(this.timer);
    this.reading?.abort();
    this.size.disconnect();
    this.theme.disconnect();
    this.charts.forEach(c => c.chart.dispose());
  }
}

const language = () => document.documentElement.lang || "en";
const number = n => n.toLocaleString(language());
const round = (n, digits) => n.toLocaleString(language(), { maximumFractionDigits: digits });
const cores = n => n.toLocaleString(language(), { maximumSignificantDigits: 2 });
const duration = ms => ms >= 1000 ? `${round(ms / 1000, 1)} s` : `${round(ms, ms < 10 ? 1 : 0)} ms`;
function size(bytes) {
  let unit = 0;
  for (; bytes >= 1024 && unit < 4; unit++) bytes /= 1024;
  return `${round(bytes, unit ? 1 : 0)} ${["B", "KiB", "MiB", "GiB", "TiB"][unit]}`;
}

/** Times on the person's clock: as short as the range allows on the axis, whole elsewhere. */
function clock(data) {
  const length = Date.parse(data.to) - Date.parse(data.from), two = "2-digit", day = { month: two, day: two };
  // Dates as everywhere in the console: year, month, day.
  const make = parts => { const format = new Intl.DateTimeFormat("sv-SE", { hour12: false, ...parts }); return t => format.format(new Date(t)); };
  const time = { hour: two, minute: two, ...(data.step < 60 && { second: two }) };
  return { axis: make(length > 4 * 86400e3 ? day : length > 86400e3 * 1.5 ? { ...day, ...time } : time), whole: make({ year: "numeric", ...day, ...time }) };
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  return name => style.getPropertyValue(`--${name}`).trim();
}
