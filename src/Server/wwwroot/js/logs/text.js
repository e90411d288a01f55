// From a raw log line to what may stand on the page: text nodes only, never HTML.
export const CUT = 8192;
const CSI = /\x1b(?:\[([0-9;:]*)([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])/g;
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f\u0080-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** What a terminal would show of the line at its end: after the last carriage return. */
function lastState(raw) {
  const line = raw.replace(/[\r\n]+$/, "");
  return line.slice(line.lastIndexOf("\r") + 1);
}
function visible(c) {
  const code = c.charCodeAt(0);
  if (code < 32) return String.fromCharCode(0x2400 + code);
  return code === 127 ? "\u2421" : `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
}

/** Splits into runs of equal colour: { text, css }. */
export function parse(raw) {
  const line = lastState(raw);
  const runs = [];
  let css = "", at = 0;
  const push = text => { if (text) runs.push({ text: text.replace(/\t/g, "    ").replace(HIDDEN, visible), css }); };
  if (line.includes("\x1b")) {
    CSI.lastIndex = 0;
    for (let m; (m = CSI.exec(line));) {
      push(line.slice(at, m.index));
      at = m.index + m[0].length;
      if (m[2] === "m") css = style(css, m[1]);
    }
  }
  push(line.slice(at));
  return runs;
}

/** Class names after a colour sequence; 256 and true colours keep the text's own colour, which is readable in both themes. */
function style(css, codes) {
  const set = new Set(css.split(" ").filter(Boolean));
  const list = codes === "" ? [0] : codes.split(/[;:]/).map(Number);
  for (let i = 0; i < list.length; i++) {
    const c = list[i];
    if (c === 0) set.clear();
    else if (c === 1) set.add("b");
    else if (c === 2) set.add("d");
    else if (c === 3) set.add("i");
    else if (c === 4) set.add("u");
    else if (c === 22) { set.delete("b"); set.delete("d"); }
    else if (c === 23) set.delete("i");
    else if (c === 24) set.delete("u");
    else if ((c >= 30 && c <= 37) || (c >= 90 && c <= 97) || c === 39) {
      for (const s of [...set]) if (s.startsWith("f")) set.delete(s);
      if (c !== 39) set.add(`f${c % 10}`);
    } else if (c === 38 || c === 48) i += list[i + 1] === 5 ? 2 : 4;
  }
  return [...set].join(" ");
}

/** Cells that a character takes in a fixed-width font. */
export function wide(code) {
  return code >= 0x1100 && (code <= 0x115f || (code >= 0x2e80 && code <= 0xa4cf) || (code >= 0xac00 && code <= 0xd7a3)
    || (code >= 0xf900 && code <= 0xfaff) || (code >= 0xfe30 && code <= 0xfe6f) || (code >= 0xff00 && code <= 0xff60)
    || (code >= 0xffe0 && code <= 0xffe6) || (code >= 0xd800 && code <= 0xdbff));
}
export function cells(text) {
  let n = text.length;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x1100 && wide(text.charCodeAt(i))) n++;
  return n;
}

/** Start positions of the rows that a text takes at a width, at most `most` of them. */
export function wrap(text, columns, most) {
  const starts = [0];
  for (let i = 0, used = 0; i < text.length; i++) {
    const w = wide(text.charCodeAt(i)) ? 2 : 1;
    if (used + w > columns) {
      if (starts.length === most) break;
      starts.push(i);
      used = 0;
    }
    used += w;
  }
  return starts;
}

/** Fills an element with the runs between two positions, with the matches of a search marked. */
export function fill(element, runs, from, to, matches) {
  element.textContent = "";
  let at = 0;
  for (const run of runs) {
    const a = Math.max(from, at), b = Math.min(to, at + run.text.length);
    if (a < b) pieces(element, run, at, a, b, matches);
    at += run.text.length;
    if (at >= to) break;
  }
}
function pieces(element, run, offset, a, b, matches) {
  let at = a;
  for (const [s, e] of matches ?? []) {
    if (e <= at || s >= b) continue;
    add(element, run, run.text.slice(at - offset, Math.max(s, at) - offset), false);
    add(element, run, run.text.slice(Math.max(s, at) - offset, Math.min(e, b) - offset), true);
    at = Math.min(e, b);
  }
  add(element, run, run.text.slice(at - offset, b - offset), false);
}
function add(element, run, text, mark) {
  if (!text) return;
  if (!mark && !run.css) { element.append(text); return; }
  const node = document.createElement(mark ? "mark" : "span");
  if (run.css) node.className = run.css;
  node.textContent = text;
  element.append(node);
}
