// Servers that misbehave: each gets the right status and a clear reason, and leaves nothing behind.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { marked, Product, text, until } from './product.js';

let product, packageId;
before(async () => {
  product = await Product.start();
  const work = mkdtempSync(join(tmpdir(), 'pack-'));
  mkdirSync(join(work, 'server'));
  cpSync(join(import.meta.dirname, 'servers/server.js'), join(work, 'server/server.js'));
  writeFileSync(join(work, 'server/package.json'), JSON.stringify({ name: 'bad', version: '1.0.0', type: 'module' }));
  execFileSync('tar', ['czf', 'bad.tar.gz', '-C', 'server', '.'], { cwd: work });
  packageId = (await product.upload('bad.tar.gz', readFileSync(join(work, 'bad.tar.gz')))).id;
});
after(() => product?.dispose());

const create = (mode, limits) => product.create(mode, { type: 'package', packageId, start: ['node', 'server.js', mode] }, limits ? { limits } : {});
async function echo(instance, message) {
  const client = await product.connect(instance, await product.token([instance]));
  const answer = text(await client.callTool({ name: 'echo', arguments: { text: message } }));
  await client.close();
  return answer;
}
async function gone(instance) {
  await product.delete(instance);
  await until(() => `no process is left, but ${marked(instance.mark)}`, 10, () => marked(instance.mark).length === 0);
}

test('banners on stdout are logged as warnings and disturb nothing', async () => {
  const instance = await product.running(await create('banner'));
  assert.equal(await echo(instance, 'through the noise'), 'through the noise');
  const noise = (await product.logs(instance)).find(line => /Welcome to the banner server/.test(line.msg));
  assert.equal(noise?.stream, 'stdout');
  assert.equal(noise?.level, 'warning');
  await gone(instance);
});

test('a server that never answers fails with that reason', async () => {
  const instance = await product.state(await create('silent', { startSeconds: 3 }), 'Failed', 60);
  assert.match(instance.status.reason, /answer|respond|initialize/i);
  await gone(instance);
});

test('a server that exits at once fails with its exit code and last words', async () => {
  const instance = await product.state(await create('exits'), 'Failed', 60);
  assert.equal(instance.status.lastExit.code, 3);
  assert.match(JSON.stringify(instance.status), /DATABASE_URL is not set/);
  const address = product.address(instance), { value } = await product.token([instance]);
  const response = await fetch(address, { method: 'POST', headers: { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream', Authorization: `Bearer ${value}` }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }) });
  assert.ok(response.status >= 400 && response.status < 600, `${response.status}`);
  assert.match(JSON.stringify(await product.logs(instance)), /DATABASE_URL is not set/, 'the log is kept');
  await gone(instance);
});

test('a program that does not exist fails with that reason', async () => {
  const instance = await product.state(await product.create('missing', { type: 'command', command: 'no-such-program-here', args: [] }), 'Failed', 60);
  assert.match(instance.status.reason, /no-such-program-here|not found/i);
  await gone(instance);
});

test('an npm package that does not exist fails in the install phase', async () => {
  const instance = await product.state(await product.create('no-package', { type: 'command', command: 'npx', args: ['-y', '@modelcontextprotocol/no-such-server-here'] }), 'Failed', 90);
  assert.equal(instance.status.lastExit.phase, 'install', JSON.stringify(instance.status));
  await gone(instance);
});

test('children of the server end with it', async () => {
  const instance = await product.running(await create('forks'));
  assert.equal(await echo(instance, 'hi'), 'hi');
  assert.ok(marked(instance.mark).length >= 4);
  await gone(instance);
});

test('100 MB on stderr neither stops the server nor fills the disk', async () => {
  const instance = await product.running(await create('floods'), 120);
  assert.equal(await echo(instance, 'hi'), 'hi');
  const bytes = Number(execFileSync('du', ['-sb', join(product.data, 'workloads', instance.id)], { encoding: 'utf8' }).split('\t')[0]);
  assert.ok(bytes < 40e6, `${bytes} bytes`);
  await gone(instance);
});

test('a server that needs 30 s to start is Starting, then Running', async () => {
  const instance = await create('slow');
  await until('it is starting', 20, async () => (await product.instance(instance.id)).status.state === 'Starting');
  await product.running(instance, 100);
  await gone(instance);
});

test('a crash in a call is an error that names it, and the next session works', async () => {
  const instance = await product.running(await create('crashes'));
  const client = await product.connect(instance, await product.token([instance]));
  await assert.rejects(client.callTool({ name: 'crash', arguments: {} }), /exit|7|ended/i);
  await client.close();
  assert.equal(await echo(instance, 'again'), 'again');
  await gone(instance);
});
