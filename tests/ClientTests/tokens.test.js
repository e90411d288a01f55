// Who may not call.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Product, until } from './product.js';

let product, one, other;
before(async () => {
  product = await Product.start();
  one = await product.createCommand('one', 'npx', '-y', '@modelcontextprotocol/server-memory');
  other = await product.createCommand('other', 'npx', '-y', '@modelcontextprotocol/server-memory');
});
after(() => product?.dispose());

const initialize = { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } } };
async function post(instance, value, headers = {}, body = initialize) {
  const response = await fetch(product.address(instance), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream', ...(value ? { Authorization: `Bearer ${value}` } : {}), ...headers },
    body: JSON.stringify(body),
  });
  const text = response.headers.get('content-type')?.startsWith('text/event-stream') ? '' : await response.text();
  if (!text) await response.body?.cancel();
  return { status: response.status, headers: response.headers, text };
}

test('no token and a wrong token are refused, with a challenge', async () => {
  for (const value of [null, 'mct_' + 'A'.repeat(43), 'nonsense']) {
    const response = await post(one, value);
    assert.equal(response.status, 401);
    assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer/);
  }
});

test('a token opens only its instances', async () => {
  const token = await product.token([one]);
  assert.equal((await post(one, token.value)).status, 200);
  assert.ok([401, 403, 404].includes((await post(other, token.value)).status));
});

test('a token for all opens all', async () => {
  const token = await product.token('*');
  assert.equal((await post(one, token.value)).status, 200);
  assert.equal((await post(other, token.value)).status, 200);
});

test('a token ends at its expiry', async () => {
  const token = await product.token([one], { expiresAt: new Date(Date.now() + 3000).toISOString() });
  assert.equal((await post(one, token.value)).status, 200);
  await until('the token is refused', 10, async () => (await post(one, token.value)).status === 401);
});

test('a token that is switched off is refused within a second, also in a running session', async () => {
  const token = await product.token([one]);
  const client = await product.connect(one, token);
  await client.listTools();
  await product.api('PATCH', `/tokens/${token.id}`, { enabled: false });
  await until('the token is refused', 1, async () => (await post(one, token.value)).status === 401);
  await assert.rejects(client.listTools());
  await product.api('PATCH', `/tokens/${token.id}`, { enabled: true });
  await until('the token is good again', 1, async () => (await post(one, token.value)).status === 200);
  await client.close();
});

test('a deleted token is refused', async () => {
  const token = await product.token([one]);
  await product.api('DELETE', `/tokens/${token.id}`);
  await until('the token is refused', 1, async () => (await post(one, token.value)).status === 401);
});

test('a session belongs to the token that opened it', async () => {
  const [mine, theirs] = [await product.token([one]), await product.token([one])];
  const session = (await post(one, mine.value)).headers.get('mcp-session-id');
  assert.ok(session);
  const list = { jsonrpc: '2.0', id: 2, method: 'tools/list' };
  assert.equal((await post(one, theirs.value, { 'Mcp-Session-Id': session }, list)).status, 404);
  assert.equal((await post(one, mine.value, { 'Mcp-Session-Id': session.slice(0, -2) + 'AA' }, list)).status, 404);
  assert.equal((await post(one, mine.value, { 'Mcp-Session-Id': session }, list)).status, 200);
});

test('a foreign origin or host is refused', async () => {
  const token = await product.token([one]);
  assert.equal((await post(one, token.value, { Origin: 'https://evil.example' })).status, 403);
});

test('the API key does not open the gateway, the token does not open the API', async () => {
  const token = await product.token([one]);
  assert.equal((await post(one, product.key)).status, 401);
  assert.equal((await product.fetch('GET', '/instances', undefined, { Authorization: `Bearer ${token.value}` })).status, 401);
});

test('token values are shown once', async () => {
  const token = await product.token([one]);
  assert.match(token.value, /^mct_[A-Za-z0-9_-]{43}$/);
  assert.ok(!JSON.stringify(await product.api('GET', '/tokens')).includes(token.value));
});
