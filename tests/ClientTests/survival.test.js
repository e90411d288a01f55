// What happens when MCPCAN dies, is stopped, or clients vanish.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { marked, named, Product, text, until } from './product.js';

let product, instance, token;
before(async () => {
  product = await Product.start();
  instance = await product.createCommand('everything', 'npx', '-y', '@modelcontextprotocol/server-everything');
  token = await product.token([instance]);
});
after(() => product?.dispose());

test('kill -9 in the middle of a call: the client gets the result after the restart', async () => {
  const client = await product.connect(instance, token);
  const progress = [];
  const call = client.callTool({ name: 'trigger-long-running-operation', arguments: { duration: 10, steps: 10 } }, undefined,
    { onprogress: p => progress.push(p.progress), timeout: 60_000 });
  await until('the call has begun', 10, () => progress.length >= 2);
  const before = marked(instance.mark);
  await product.signal('SIGKILL');
  await sleep(1000);
  await product.serve();
  assert.match(text(await call), /completed/);
  assert.deepEqual(progress.slice(0, 9), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.match(text(await client.callTool({ name: 'echo', arguments: { message: 'same session' } })), /same session/);
  instance = await product.running(instance);
  await client.close();
  await sleep(500);
  assert.ok(marked(instance.mark).length <= before.length + 1, `processes before ${before}, after ${marked(instance.mark)}`);
  assert.equal(named(`workloads/${instance.id}`).length > 0, true);
});

test('SIGTERM leaves workloads running; the next start adopts them with their sessions', async () => {
  const client = await product.connect(instance, token);
  await client.listTools();
  const bridge = named(`workloads/${instance.id}/run`);
  assert.ok(bridge.length > 0);
  assert.ok(await product.signal('SIGTERM') < 10);
  assert.deepEqual(named(`workloads/${instance.id}/run`), bridge);
  await product.serve();
  instance = await product.running(instance);
  assert.match(text(await client.callTool({ name: 'echo', arguments: { message: 'adopted' } })), /adopted/);
  assert.deepEqual(named(`workloads/${instance.id}/run`), bridge);
  await client.close();
});

test('Ctrl-C ends everything quickly; the next start runs it again', async () => {
  const mark = instance.mark;
  const seconds = await product.signal('SIGINT');
  assert.ok(seconds < 10, `${seconds} s`);
  await until(() => `no process is left, but ${marked(mark)}, ${named(product.data)}`, 5, () => marked(mark).length === 0 && named(product.data).length === 0);
  await product.serve();
  instance = await product.running(instance);
  const client = await product.connect(instance, token);
  assert.match(text(await client.callTool({ name: 'echo', arguments: { message: 'back' } })), /back/);
  await client.close();
});

test('200 abandoned sessions leave no process behind', async () => {
  let crowd = await product.create('crowd', { type: 'command', command: 'npx', args: ['-y', '@modelcontextprotocol/server-memory'] },
    { limits: { sessions: 250, sessionIdleSeconds: 10, pids: 8192, memoryBytes: 16 * 2 ** 30, warmSpares: 1 } });
  crowd = await product.running(crowd);
  await sleep(1000);
  const quiet = marked(crowd.mark).length;
  const { value } = await product.token([crowd]);
  const open = async () => {
    const response = await fetch(product.address(crowd), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream', Authorization: `Bearer ${value}` },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'abandons', version: '1' } } }),
    });
    await response.text();
    return response.status;
  };
  for (let i = 0; i < 25; i++) assert.deepEqual(await Promise.all(Array.from({ length: 8 }, open)), Array(8).fill(200));
  assert.ok(marked(crowd.mark).length > quiet);
  await until(() => `${quiet} processes, but there are ${marked(crowd.mark).length}`, 60, () => marked(crowd.mark).length <= quiet);
  await product.delete(crowd);
  await until('nothing is left', 10, () => marked(crowd.mark).length === 0);
});
