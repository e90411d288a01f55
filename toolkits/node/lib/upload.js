// Sends the folder's archive, as a new package or as the next version of one.
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { text } from './http.js';
import { note, progress, size } from './output.js';
import { pack } from './pack.js';

/** Answers the package with its new version. @param packageId null for a new package, which takes the name */
export async function upload(api, files, name, packageId, notes) {
  const folder = mkdtempSync(join(tmpdir(), 'mcpcan-'));
  try {
    const archive = join(folder, 'package.tar.gz');
    const bytes = await pack(files, archive);
    note(`Uploading ${files.length} ${files.length === 1 ? 'file' : 'files'} (${size(bytes)} packed)`);
    const send = async id => JSON.parse(await text(await api.send('POST', id ? `/packages/${id}/versions` : '/packages', form(archive, bytes, id ? { notes } : { name, notes }))));
    try { return await send(packageId); } catch (error) {
      if (packageId || error.code !== 'name-taken') throw error;
      // The package of a server that was deleted.
      const old = (await api.all(`/packages?search=${encodeURIComponent(name)}`)).find(p => p.name === name);
      if (!old) throw error;
      return await send(old.id);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function form(archive, bytes, fields) {
  const boundary = `mcpcan-${randomUUID()}`;
  const part = (head, value) => `--${boundary}\r\nContent-Disposition: form-data; ${head}\r\n\r\n${value}`;
  const before = Buffer.from(Object.entries(fields).filter(([, v]) => v).map(([k, v]) => part(`name="${k}"`, v) + '\r\n').join('') + part('name="file"; filename="package.tar.gz"', ''));
  const after = Buffer.from(`\r\n--${boundary}--\r\n`);
  const bar = progress('Uploading', bytes);
  async function* body() {
    let done = 0;
    yield before;
    for await (const chunk of createReadStream(archive)) { yield chunk; done += chunk.length; bar(done); }
    yield after;
  }
  return { body: Readable.from(body()), length: before.length + bytes + after.length, headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}` } };
}
