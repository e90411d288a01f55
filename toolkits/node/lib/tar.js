// Headers of tar archives: ustar, with a pax header for names that do not fit (POSIX.1-2001).

const block = 512;

export const padding = size => Buffer.alloc((block - (size % block)) % block);

/** The blocks in front of a file's bytes. */
export function header({ path, size, mtime, executable }) {
  const entry = { size, mtime: Math.floor(mtime / 1000), mode: executable ? 0o755 : 0o644 };
  const [prefix, name] = split(path);
  // eslint-disable-next-line no-control-regex
  if (name !== null && /^[\x20-\x7e]*$/.test(path)) return ustar({ ...entry, prefix, name, type: '0' });
  const record = Buffer.from(pax('path', path));
  return Buffer.concat([
    ustar({ ...entry, mode: 0o644, prefix: '', name: 'pax-header', type: 'x', size: record.length }), record, padding(record.length),
    ustar({ ...entry, prefix: '', name: 'file', type: '0' }),
  ]);
}

/** At most 155 bytes of folders and 100 of name. */
function split(path) {
  if (path.length <= 100) return ['', path];
  for (let at = path.indexOf('/'); at > 0 && at <= 155; at = path.indexOf('/', at + 1)) {
    if (path.length - at - 1 <= 100) return [path.slice(0, at), path.slice(at + 1)];
  }
  return ['', null];
}

/** "LENGTH key=value\n", where the length counts itself. */
function pax(key, value) {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

function ustar({ prefix, name, mode, size, mtime, type }) {
  const out = Buffer.alloc(block);
  out.write(name, 0, 100, 'latin1');
  octal(out, mode, 100, 8);
  octal(out, 0, 108, 8);
  octal(out, 0, 116, 8);
  octal(out, size, 124, 12);
  octal(out, Math.max(0, mtime), 136, 12);
  out.fill(' ', 148, 156);
  out.write(type, 156, 1, 'latin1');
  out.write('ustar\0' + '00', 257, 8, 'latin1');
  out.write(prefix, 345, 155, 'latin1');
  const sum = out.reduce((total, byte) => total + byte, 0);
  out.write(sum.toString(8).padStart(6, '0') + '\0 ', 148, 8, 'latin1');
  return out;
}

const octal = (out, value, at, width) => out.write(value.toString(8).padStart(width - 1, '0') + '\0', at, width, 'latin1');
