// What people and scripts read: results on stdout, what happens meanwhile on stderr.

export const output = { json: false };

/** A result for people; nothing with --json. */
export const say = (text = '') => { if (!output.json) process.stdout.write(text + '\n'); };

/** What happens meanwhile. */
export const note = text => { if (!output.json) process.stderr.write(text + '\n'); };

export const warn = text => process.stderr.write(`mcpcan: ${text}\n`);

/** The result for scripts; nothing without --json. */
export const result = value => { if (output.json) process.stdout.write(JSON.stringify(value, null, 2) + '\n'); };

/** One event of many for scripts: one JSON object a line. */
export const event = value => { if (output.json) process.stdout.write(JSON.stringify(value) + '\n'); };

/** Text of a server as it may be shown on a terminal: control characters do nothing there. */
// eslint-disable-next-line no-control-regex
export const plain = text => String(text).replace(/\x1b\[[0-9;?]*[ -/]*[@-~]/g, '').replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '');

export function table(head, rows) {
  const widths = head.map((name, i) => Math.max(name.length, ...rows.map(row => row[i].length)));
  for (const row of [head, ...rows]) say(row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]))).join('  '));
}

export function size(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  return bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

/** A bar on a terminal, nothing elsewhere. */
export function progress(label, total) {
  if (output.json || !process.stderr.isTTY) return () => {};
  let shown = -1;
  return done => {
    const percent = total ? Math.floor((done / total) * 100) : 100;
    if (percent === shown) return;
    shown = percent;
    const full = Math.floor(percent / 4);
    process.stderr.write(`\r${label} [${'#'.repeat(full)}${'.'.repeat(25 - full)}] ${String(percent).padStart(3)} %${percent === 100 ? '\n' : ''}`);
  };
}
