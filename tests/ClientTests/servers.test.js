// Other people's servers and uploaded code.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { marked, named, Product, text, until } from './product.js';

const fixtures = join(import.meta.dirname, 'servers');
let product, work, node;
before(async () => {
  product = await Product.start();
  work = mkdtempSync(join(tmpdir(), 'pack-'));
});
after(() => product?.dispose());

async function client(instance) { return await product.connect(instance, await product.token([instance])); }

test('server-filesystem works in its working directory', async () => {
  const instance = await product.createCommand('filesystem', 'npx', '-y', '@modelcontextprotocol/server-filesystem', '.');
  const mcp = await client(instance);
  const { tools } = await mcp.listTools();
  assert.ok(tools.some(tool => tool.name === 'write_file'));
  const directory = text(await mcp.callTool({ name: 'list_allowed_directories', arguments: {} })).split('\n').pop().trim();
  await mcp.callTool({ name: 'write_file', arguments: { path: `${directory}/note.txt`, content: 'kept' } });
  assert.match(text(await mcp.callTool({ name: 'read_text_file', arguments: { path: `${directory}/note.txt` } })), /kept/);
  await mcp.close();
});

test('server-memory works', async () => {
  const instance = await product.createCommand('memory', 'npx', '-y', '@modelcontextprotocol/server-memory');
  const mcp = await client(instance);
  await mcp.callTool({ name: 'create_entities', arguments: { entities: [{ name: 'Ada', entityType: 'person', observations: ['wrote notes'] }] } });
  assert.match(text(await mcp.callTool({ name: 'read_graph', arguments: {} })), /Ada/);
  await mcp.close();
});

test('plain Python in a zip: detected, isolated, with plain and secret variables', async () => {
  const folder = join(work, 'python');
  mkdirSync(folder);
  cpSync(join(fixtures, 'server.py'), join(folder, 'server.py'));
  execFileSync('python3', ['-m', 'zipfile', '-c', '../python.zip', 'server.py'], { cwd: folder });
  const uploaded = await product.upload('python.zip', readFileSync(join(work, 'python.zip')));
  const instance = await product.running(await product.create('python', { type: 'package', packageId: uploaded.id }, { env: { GREETING: 'hello', SECRET: { secret: 'hidden-value-1' } } }));
  const mcp = await client(instance);
  assert.equal(text(await mcp.callTool({ name: 'reverse', arguments: { text: 'abc' } })), 'cba');
  const where = JSON.parse(text(await mcp.callTool({ name: 'where', arguments: {} })));
  assert.ok(where.files.includes('server.py'));
  assert.equal(where.greeting, 'hello');
  assert.equal(where.secret, 'hidden-value-1');
  assert.ok(!JSON.stringify(await product.instance(instance.id)).includes('hidden-value-1'), 'the secret can be read again');
  for (const path of [product.data, `${product.data}/mcpcan.db`, '/root/.ssh', '/etc/shadow']) {
    assert.match(text(await mcp.callTool({ name: 'look', arguments: { path } })), /^refused/, path);
  }
  await mcp.close();
});

test('a Node folder in a tar.gz: installed once, started by its package.json', async () => {
  const folder = join(work, 'node-server');
  mkdirSync(folder);
  cpSync(join(fixtures, 'server.js'), join(folder, 'server.js'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'node-server', version: '1.0.0', type: 'module', scripts: { start: 'node server.js' }, dependencies: { 'is-number': '7.0.0' } }));
  execFileSync('tar', ['czf', 'node.tar.gz', 'node-server'], { cwd: work });
  const uploaded = await product.upload('node.tar.gz', readFileSync(join(work, 'node.tar.gz')));
  const instance = node = await product.running(await product.create('node', { type: 'package', packageId: uploaded.id }));
  const mcp = await client(instance);
  assert.equal(text(await mcp.callTool({ name: 'echo', arguments: { text: 'hi' } })), 'hi');
  await mcp.close();

  // A restart installs nothing: it is up again quickly.
  const begin = performance.now();
  await product.api('POST', `/instances/${instance.id}/restart`);
  await until('it runs again', 30, async () => {
    const now = await product.instance(instance.id);
    return now.status.state === 'Running' && now.status.since !== instance.status.since;
  });
  assert.ok(performance.now() - begin < 15_000);
});

test('20 MB go through whole; above the limit it is 413', async () => {
  const token = await product.token([node]);
  const mcp = await product.connect(node, token);
  const large = 'äb'.repeat(7 << 20); // 21 MB in UTF-8
  const answer = text(await mcp.callTool({ name: 'echo', arguments: { text: large } }, undefined, { timeout: 120_000 }));
  assert.ok(answer === large, `${answer.length} of ${large.length} characters came back`);
  await mcp.close();
  const response = await fetch(product.address(node), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream', Authorization: `Bearer ${token.value}` },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: { filler: 'x'.repeat(65 << 20) } }),
  });
  assert.equal(response.status, 413);
});

test('delete leaves nothing', async () => {
  const instance = await product.createCommand('gone', 'npx', '-y', '@modelcontextprotocol/server-memory');
  const mcp = await client(instance);
  await mcp.listTools();
  assert.ok(marked(instance.mark).length > 0);
  await product.delete(instance);
  await until(() => `no process is left, but ${marked(instance.mark)}`, 10, () => marked(instance.mark).length === 0 && named(instance.id).length === 0);
  const response = await fetch(product.address(instance), { method: 'POST', headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${(await product.token('*')).value}` }, body: '{}' });
  assert.ok([401, 404].includes(response.status)); // an unknown name is refused like a wrong token
  const found = execFileSync('find', [join(product.data, 'workloads'), '-maxdepth', '1', '-name', instance.id], { encoding: 'utf8' });
  assert.equal(found, '');
  await mcp.close().catch(() => {});
});

test('mcpServers JSON becomes instances', async () => {
  const pasted = { mcpServers: { 'notes': { command: 'npx', args: ['-y', '@modelcontextprotocol/server-memory'], env: { A: 'b' } } } };
  await product.api('POST', '/instances/import', pasted);
  assert.equal((await product.fetch('GET', '/instances/notes')).status, 404, 'the preview created something');
  await product.api('POST', '/instances/import?apply=true', pasted);
  const instance = await product.running(await product.api('GET', '/instances/notes'));
  const mcp = await client(instance);
  assert.ok((await mcp.listTools()).tools.length > 0);
  await mcp.close();
});
