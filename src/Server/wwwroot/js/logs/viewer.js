import { Buffer } from "./buffer.js";
import { LogStream } from "./stream.js";
import { fill } from "./text.js";
import { copy } from "../app.js";

const ROW = 20;
const CAP = 50000;

/** Attaches the viewer to the markup of LogViewer.razor; `parts` are found by data-log. */
export function mount(host, address, texts) { return new Viewer(host, address, texts); }

class Viewer {
  constructor(host, address, texts) {
    Object.assign(this, { host, address, texts, buffer: new Buffer(CAP), follow: true, fresh: 0, times: "local", wrapped: false, current: null, state: "connecting", pool: [], dirty: true, came: 0, rate: 0, lastCame: 0, dropped: 0 });
    this.part = Object.fromEntries([...host.querySelectorAll("[data-log]")].map(e => [e.dataset.log, e]));
    this.ends = new AbortController();
    this.#listen();
    this.resized = new ResizeObserver(() => this.#resize());
    this.resized.observe(this.part.scroll);
    this.ticker = setInterval(() => this.#tick(), 1000);
    this.#open("current");
    const frame = () => { if (this.host.isConnected && !this.ends.signal.aborted) { this.#paint(); requestAnimationFrame(frame); } };
    requestAnimationFrame(frame);
    host.logs = this; // for tests and for the console of the curious
  }

  /** Takes a line as the stream does. */
  takeForTest(line) { this.#take(line); }

  dispose() {
    this.stream?.close();
    this.ends.abort();
    this.resized.disconnect();
    clearInterval(this.ticker);
  }

  #open(run) {
    this.stream?.close();
    this.run = run;
    this.buffer.reset();
    this.fresh = 0;
    this.current = null;
    const query = run === "install" ? { stream: "install" } : { run };
    this.stream = new LogStream(this.address, line => this.#take(line), state => { this.state = state; this.dirty = true; });
    this.stream.run({ ...query, tail: 20000 }, run === "current", () => this.buffer.lastN);
    const whole = new URL(this.address, document.baseURI);
    for (const [name, value] of Object.entries(query)) whole.searchParams.set(name, value);
    this.part.whole.href = whole;
    this.#setFollow(true);
  }

  #take(line) {
    if (line.skipped) { this.dropped += line.skipped; return; }
    const before = this.buffer.rows.length;
    this.buffer.add(line);
    this.came++;
    this.lastCame = performance.now();
    if (!this.follow) {
      this.fresh += this.buffer.rows.length > before ? 1 : 0;
      // While a person reads, nothing goes until twice the cap; then the place is kept.
      if (this.buffer.lines.length > 2 * CAP) this.#keepPlace(this.buffer.evict(CAP * 2 - 1000));
    } else if (this.buffer.lines.length > CAP + 500) this.buffer.evict(CAP);
    this.dirty = true;
  }

  #keepPlace(rows) {
    if (rows === 0) return;
    this.part.space.style.height = `${this.buffer.rows.length * ROW}px`;
    this.part.scroll.scrollTop = this.top = Math.max(0, this.part.scroll.scrollTop - rows * ROW);
  }

  #listen() {
    const { scroll, search, host } = { ...this.part, host: this.host };
    const on = (element, type, f) => element.addEventListener(type, f, { signal: this.ends.signal });
    on(scroll, "scroll", () => {
      const top = scroll.scrollTop, bottom = scroll.scrollHeight - scroll.clientHeight;
      if (this.follow && top < (this.top ?? 0) - 2 && top < bottom - 2) this.#setFollow(false);
      else if (!this.follow && top > (this.top ?? 0) && top >= bottom - 2 && this.buffer.rows.length > 0) this.#setFollow(true);
      this.top = top;
      this.dirty = true;
    });
    on(scroll, "keydown", e => {
      if (e.key === "End") { e.preventDefault(); this.#setFollow(true); }
      else if (e.key === "Home") { e.preventDefault(); this.#setFollow(false); scroll.scrollTop = 0; }
    });
    on(search, "input", () => this.#search());
    on(search, "keydown", e => { if (e.key === "Enter") { e.preventDefault(); this.#step(e.shiftKey ? -1 : 1); } else if (e.key === "Escape" && search.value) { search.value = ""; this.#search(); } });
    on(host, "click", e => this.#click(e));
    on(host, "change", e => { if (e.target === this.part.run) this.#open(e.target.value); else if (e.target === this.part.stream) { this.buffer.stream = e.target.value; this.#rebuild(); } });
  }

  #click(e) {
    const action = e.target.closest("[data-do-log]")?.dataset.doLog;
    if (action) this.#do(action, e.target.closest("[data-do-log]"));
    else if (e.target.closest(".log-more")) this.#details(this.pool[Number(e.target.closest(".log-row").dataset.at)].line);
  }

  #do(action, button) {
    const value = button.dataset.value;
    switch (action) {
      case "level":
        this.buffer.level = value;
        for (const other of button.parentElement.children) other.setAttribute("aria-pressed", other === button);
        this.#rebuild();
        break;
      case "previous": this.#step(-1); break;
      case "next": this.#step(1); break;
      case "regex": case "case": this.#toggle(button); this.#search(); break;
      case "times": this.times = { local: "utc", utc: "off", off: "local" }[this.times]; button.setAttribute("aria-label", this.texts[`times-${this.times}`]); button.title = this.texts[`times-${this.times}`]; button.setAttribute("aria-pressed", this.times !== "off"); break;
      case "wrap": this.wrapped = this.#toggle(button); this.#resize(); break;
      case "clear": this.buffer.clear(); this.fresh = 0; this.current = null; this.#setFollow(true); break;
      case "follow": this.#setFollow(!this.follow); break;
      case "end": this.#setFollow(true); this.part.scroll.focus(); break;
      case "visible": this.#saveVisible(); break;
      case "close-details": this.part.details.hidden = true; this.part.scroll.focus(); break;
      case "copy-details": copy(this.part.text.textContent).then(done => { this.part.copied.textContent = done ? this.texts.copied : this.texts["copy-failed"]; }); break;
    }
    this.dirty = true;
  }

  #toggle(button) {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", on);
    return on;
  }

  #setFollow(on) {
    this.follow = on;
    if (on) { this.fresh = 0; this.buffer.evict(CAP); }
    this.part.follow.setAttribute("aria-pressed", on);
    this.dirty = true;
  }

  #search() {
    const { search, regex, matchCase } = this.part;
    this.buffer.search = null;
    this.current = null;
    search.removeAttribute("aria-invalid");
    if (search.value !== "") {
      const source = regex.getAttribute("aria-pressed") === "true" ? search.value : search.value.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      try { this.buffer.search = new RegExp(source, matchCase.getAttribute("aria-pressed") === "true" ? "gu" : "giu"); }
      catch { search.setAttribute("aria-invalid", "true"); }
    }
    this.#rebuild();
  }

  #rebuild() {
    const anchor = this.follow ? null : this.#topLine();
    this.buffer.rebuild();
    if (anchor !== null) {
      this.part.space.style.height = `${this.buffer.rows.length * ROW}px`;
      this.part.scroll.scrollTop = this.top = this.buffer.rowOf(anchor) * ROW;
    }
    this.dirty = true;
  }

  #topLine() { return this.buffer.rows[Math.floor(this.part.scroll.scrollTop / ROW)]?.line.n ?? null; }

  #step(way) {
    const all = this.buffer.matches;
    if (all.length === 0) return;
    let at = this.current ? all.indexOf(this.current) : -1;
    if (at < 0) {
      const top = this.#topLine() ?? 0;
      at = all.findIndex(l => l.n >= top);
      if (at < 0) at = 0;
      if (way < 0) at = (at - 1 + all.length) % all.length;
    } else at = (at + way + all.length) % all.length;
    this.current = all[at];
    this.#setFollow(false);
    const row = this.buffer.rowOf(this.current.n);
    this.#paint();
    this.part.scroll.scrollTop = this.top = Math.max(0, row * ROW - this.part.scroll.clientHeight / 2);
    this.dirty = true;
  }

  #resize() {
    const scroll = this.part.scroll;
    this.cell ??= this.part.probe.getBoundingClientRect().width / 20 || 7.2;
    const columns = this.wrapped ? Math.max(20, Math.floor((scroll.clientWidth - this.#gutter() - 160) / this.cell)) : 0;
    if (columns !== this.buffer.columns) { this.buffer.columns = columns; this.#rebuild(); }
    this.dirty = true;
  }

  #gutter() { return 64 + (this.times === "off" ? 0 : this.times === "utc" ? 108 : 98) + 66; }

  #paint() {
    if (!this.dirty) return;
    this.dirty = false;
    const { scroll, space, pill, empty } = this.part;
    const rows = this.buffer.rows;
    const need = Math.ceil(scroll.clientHeight / ROW) + 2;
    while (this.pool.length < need) this.pool.push(this.#newRow());
    space.style.height = `${rows.length * ROW}px`;
    space.style.width = this.wrapped ? "100%" : `max(100%, ${Math.ceil(this.buffer.widest * this.cell + this.#gutter() + 110)}px)`;
    if (this.follow) { scroll.scrollTop = scroll.scrollHeight; this.top = scroll.scrollTop; }
    const first = Math.max(0, Math.floor(scroll.scrollTop / ROW) - 1);
    for (let i = 0; i < this.pool.length; i++) this.#draw(this.pool[i], rows[first + i], first + i);
    pill.hidden = this.follow || this.fresh === 0;
    if (!pill.hidden) this.part.pillText.textContent = this.texts.fresh.replace("{0}", this.#number(this.fresh));
    const nothing = rows.length === 0 && this.state !== "connecting";
    empty.hidden = !nothing;
    if (nothing) empty.textContent = this.state === "none" ? this.texts["empty-none"] : this.buffer.lines.length > 0 ? this.texts["empty-filter"] : this.texts["empty-yet"];
    this.part.found.textContent = this.buffer.search ? `${this.current ? this.#number(this.buffer.matches.indexOf(this.current) + 1) : "–"} / ${this.#number(this.buffer.matches.length)}` : "";
    this.#foot();
  }

  #newRow() {
    const element = document.createElement("div");
    element.className = "log-row";
    element.dataset.at = this.pool.length;
    const make = name => { const e = document.createElement("span"); e.className = name; element.append(e); return e; };
    const row = { element, n: make("log-n"), t: make("log-t"), level: make("log-level"), msg: make("log-msg"), line: null, key: "" };
    row.more = document.createElement("button");
    row.more.type = "button";
    row.more.className = "log-more";
    element.append(row.more);
    this.part.space.append(element);
    return row;
  }

  #draw(row, entry, index) {
    row.element.hidden = !entry;
    if (!entry) {
      if (row.key !== "") { row.key = ""; row.line = null; row.msg.textContent = ""; row.more.hidden = true; row.more.textContent = ""; }
      return;
    }
    const { line, part, from, to } = entry;
    const cut = line.text.length > (this.wrapped ? to : line.shown) && (!this.wrapped || this.#isLast(entry, index));
    row.element.style.transform = `translateY(${index * ROW}px)`;
    const key = `${line.n}/${part}/${from}-${to}/${this.times}/${this.buffer.search?.source}${this.buffer.search?.flags}/${line === this.current}/${cut}`;
    if (row.key === key && row.line === line) return;
    row.key = key;
    row.line = line;
    row.element.className = `log-row ${line.level === "error" ? "error" : line.level === "warning" ? "warning" : ""} ${line === this.current ? "current" : ""}`;
    row.n.textContent = part === 0 ? line.n : "";
    row.t.textContent = part === 0 ? this.#time(line.t) : "";
    row.t.hidden = this.times === "off";
    row.level.textContent = part === 0 ? (line.stream === "stdout" || line.stream === "stderr" ? line.level : line.stream) : "";
    row.level.title = part === 0 ? `${line.stream} · ${line.level}` : "";
    fill(row.msg, line.runs, from, to, this.buffer.search ? this.buffer.find(line) : null);
    const json = part === 0 && /^\s*[{[].*[}\]]\s*$/.test(line.shown < 4096 ? line.text : "");
    row.more.hidden = !cut && !json;
    row.more.textContent = cut ? this.texts["show-all"].replace("{0}", this.#number(line.text.length)) : "{ }";
    if (!row.more.hidden) row.more.setAttribute("aria-label", cut ? row.more.textContent : this.texts["show-json"]);
  }

  #isLast(entry, index) { return this.buffer.rows[index + 1]?.line !== entry.line; }

  #details(line) {
    if (!line) return;
    let text = line.text;
    try { text = JSON.stringify(JSON.parse(line.text), null, 2); } catch { /* shown as it is */ }
    this.part.text.textContent = text;
    this.part.copied.textContent = "";
    this.part.details.hidden = false;
    this.part.details.querySelector("button").focus();
  }

  #time(t) {
    if (this.times === "off" || !t) return "";
    const date = new Date(t);
    if (this.times === "utc") return `${date.toISOString().slice(11, 23)}Z`;
    const two = n => String(n).padStart(2, "0");
    return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
  }

  #number(n) { return n.toLocaleString(document.documentElement.lang || "en"); }

  #tick() {
    this.rate = this.came;
    this.came = 0;
    this.#foot();
  }

  #foot() {
    const state = this.state === "live" && performance.now() - this.lastCame > 5000 ? "quiet" : this.state;
    const shape = { live: "c-green", quiet: "c-green", ended: "", reading: "c-blue", connecting: "c-blue", reconnecting: "c-amber", refused: "c-red", none: "" }[state];
    if (this.part.state.textContent !== this.texts[`state-${state}`]) {
      this.part.state.textContent = this.texts[`state-${state}`];
      this.part.shape.className = `status ${shape}`;
      this.part.shape.dataset.state = state;
    }
    const facts = [this.texts.held.replace("{0}", this.#number(this.buffer.lines.length)), this.texts.rate.replace("{0}", this.#number(this.rate))];
    if (this.dropped > 0) facts.push(this.texts.dropped.replace("{0}", this.#number(this.dropped)));
    const text = facts.join("   ");
    if (this.part.facts.textContent !== text) this.part.facts.textContent = text;
  }

  #saveVisible() {
    const seen = new Set();
    const text = this.buffer.rows.filter(r => !seen.has(r.line) && seen.add(r.line)).map(r => `${r.line.t} ${r.line.stream} ${r.line.level} ${r.line.text}\n`).join("");
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(new Blob([text], { type: "text/plain" })), download: `${this.part.whole.download.replace(/\.ndjson$/, "")}-visible.log` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
}
