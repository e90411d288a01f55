import { CUT, cells, parse, wrap } from "./text.js";

const MOST_ROWS = 16;

/** Lines held, the rows that the filters let through, and the search's matches. Knows nothing of the page. */
export class Buffer {
  lines = [];
  rows = [];
  matches = [];
  level = "all";
  stream = "all";
  search = null;
  columns = 0; // of a wrapped row; 0 means: not wrapped
  widest = 0;
  lastN = 0;

  constructor(cap) { this.cap = cap; }

  /** Takes one line as the server sent it. */
  add(raw) {
    if (typeof raw.n === "number") {
      if (raw.n <= this.lastN) return; // seen before a reconnect
      this.lastN = raw.n;
    }
    const runs = parse(String(raw.msg ?? ""));
    let text = "";
    for (const run of runs) text += run.text;
    const line = { n: raw.n, t: raw.t, level: raw.level, stream: raw.stream, runs, text, shown: Math.min(text.length, CUT) };
    this.lines.push(line);
    this.#show(line);
  }

  passes(line) {
    return (this.level === "all" || line.level === this.level) && (this.stream === "all" || line.stream === this.stream);
  }

  #show(line) {
    if (!this.passes(line)) return;
    if (this.columns > 0 && line.shown > this.columns / 2) {
      const shown = line.text.length > line.shown ? line.text.slice(0, line.shown) : line.text;
      const starts = wrap(shown, this.columns, MOST_ROWS);
      for (let i = 0; i < starts.length; i++) this.rows.push({ line, part: i, from: starts[i], to: i + 1 < starts.length ? starts[i + 1] : Math.min(line.shown, starts[i] + this.columns) });
    } else this.rows.push({ line, part: 0, from: 0, to: line.shown });
    if (this.columns === 0) {
      const width = line.shown * 2 <= this.widest ? 0 : cells(line.text.slice(0, line.shown));
      if (width > this.widest) this.widest = width;
    }
    if (this.search && this.find(line).length > 0) this.matches.push(line);
  }

  /** Positions of the search in a line. */
  find(line) {
    const found = [];
    if (!this.search) return found;
    this.search.lastIndex = 0;
    for (let m; (m = this.search.exec(line.text)) && found.length < 200;) {
      if (m[0] === "") { this.search.lastIndex++; continue; }
      found.push([m.index, m.index + m[0].length]);
    }
    return found;
  }

  /** Drops the oldest lines above `most`; says how many rows went with them. */
  evict(most) {
    const drop = this.lines.length - most;
    if (drop <= 0) return 0;
    const gone = new Set(this.lines.splice(0, drop));
    let rows = 0;
    while (rows < this.rows.length && gone.has(this.rows[rows].line)) rows++;
    if (rows > 0) this.rows.splice(0, rows);
    let matches = 0;
    while (matches < this.matches.length && gone.has(this.matches[matches])) matches++;
    if (matches > 0) this.matches.splice(0, matches);
    return rows;
  }

  rebuild() {
    this.rows = [];
    this.matches = [];
    this.widest = 0;
    for (const line of this.lines) this.#show(line);
  }

  clear() {
    this.lines = [];
    this.rebuild();
  }

  /** Starts over with another run, whose numbers may be lower. */
  reset() {
    this.lastN = 0;
    this.clear();
  }

  /** First row of a line, or of the next one that is shown. Rows stand in the order of the lines' numbers. */
  rowOf(n) {
    let low = 0, high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.rows[middle].line.n ?? 0) < n) low = middle + 1; else high = middle;
    }
    return low;
  }
}
