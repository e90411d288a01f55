// The folder's files, and the archive of them.
import { createReadStream, createWriteStream, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { Failure } from './errors.js';
import { Ignore } from './ignore.js';
import { header, padding } from './tar.js';

/** All files that are sent, by path with slashes: { path, file, size, mtime, executable }. `skipped` gets links that lead out. */
export function collect(folder, skipped = []) {
  const top = root(folder);
  const own = read(join(top, '.mcpcanignore')) !== null;
  const ignore = new Ignore();
  const files = [];
  walk(top, '');
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));

  function walk(at, base) {
    const rules = read(join(at, own ? '.mcpcanignore' : '.gitignore'));
    if (rules !== null) ignore.add(rules, base);
    for (const entry of readdirSync(at, { withFileTypes: true })) {
      const path = base + entry.name;
      const file = join(at, entry.name);
      if (ignore.leaves(path, entry.isDirectory())) continue;
      if (entry.isDirectory()) { walk(file, path + '/'); continue; }
      const stat = entry.isSymbolicLink() ? inside(file) : entry.isFile() ? statSync(file, { throwIfNoEntry: false }) : null;
      if (stat) files.push({ path, file, size: stat.size, mtime: Math.floor(stat.mtimeMs), executable: process.platform !== 'win32' && (stat.mode & 0o100) !== 0 });
      else if (entry.isSymbolicLink()) skipped.push(path);
    }
  }

  /** A link to a file of the folder is sent as that file. */
  function inside(file) {
    try {
      const target = realpathSync(file);
      const stat = statSync(target);
      return target.startsWith(top + sep) && stat.isFile() ? stat : null;
    } catch { return null; }
  }
}

export function root(folder) {
  let stat;
  const path = resolve(folder);
  try { stat = statSync(path); } catch { stat = null; }
  if (!stat?.isDirectory()) throw new Failure(stat ? `'${folder}' is a file. Give the folder that it is in.` : `There is no folder '${folder}'.`, { code: 'no-folder' });
  return realpathSync(path);
}

function read(file) {
  try { return readFileSync(file, 'utf8'); } catch { return null; }
}

/** Writes a .tar.gz and answers its size. */
export async function pack(files, target) {
  await pipeline(Readable.from(blocks(files)), createGzip(), createWriteStream(target));
  return statSync(target).size;
}

async function* blocks(files) {
  for (const entry of files) {
    yield header(entry);
    let sent = 0;
    // What a file grows by meanwhile is left out: its size is written already.
    if (entry.size > 0) for await (const part of createReadStream(entry.file, { end: entry.size - 1 })) { sent += part.length; yield part; }
    if (sent < entry.size) throw new Failure(`'${entry.path}' was changed while it was packed. Try again.`, { code: 'changed' });
    yield padding(entry.size);
  }
  yield Buffer.alloc(1024);
}
