// Every kind of client before every kind of server, with the official clients of both eras: the matrix of the gateway, cell by cell.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { Product, freePort, text, until } from './product.js';

const root = resolve(import.meta.dirname, '../..');
const answers = {
  elicitation: { action: 'accept', content: { name: 'Ada', user_name: 'Ada', username: 'Ada', email: 'ada@example.com', check: true } },
  sampling: { model: 'test', role: 'assistant', content: { type: 'text', text: 'forty-two' } },
  roots: { roots: [{ uri: 'file:///work', name: 'work' }] },
};
const ours = { tool: ['test_simple_text', {}, /simple text response/], progress: ['test_tool_with_progress', {}], resource: 'test://static-text', prompt: ['test_simple_prompt', {}] };
const everything = {
  tool: ['echo', { message: 'hallo' }, /hallo/], progress: ['trigger-long-running-operation', { duration: 1, steps: 4 }],
  elicitation: ['trigger-elicitation-request', {}], sampling: ['trigger-sampling-request', { prompt: 'x', maxTokens: 10 }, /forty-two/],
  prompt: ['simple-prompt', {}],
};
const legacy = { ...ours, elicitation: ['test_elicitation', { message: 'Who?' }], sampling: ['test_sampling', { prompt: 'x' }, /forty-two/] };
const modern = { ...ours, elicitation: ['test_input_required_result_elicitation', {}], sampling: ['test_input_required_result_sampling', {}] };
const servers = { 'stdio, legacy': legacy, 'stdio, modern': modern, 'Streamable HTTP of both eras': legacy, 'Streamable HTTP, legacy': everything, 'HTTP+SSE': legacy };

let product, token, running = [];
const instances = {};
before(async () => {
  product = await Product.start();
  const work = mkdtempSync(join(tmpdir(), 'matrix-'));
  execFileSync('python3', ['-m', 'zipfile', '-c', join(work, 'conformance.zip'), 'conformance.py'], { cwd: join(root, 'tests/Servers') });
  const { id: packageId } = await product.upload('conformance.zip', readFileSync(join(work, 'conformance.zip')));
  const managed = async (name, ...args) => await product.running(await product.create(name, { type: 'package', packageId, start: ['python3', 'conformance.py', ...args] }));
  const proxied = async (name, url, transport) => await product.running(await product.api('POST', '/instances', { name, mode: 'proxy', remote: { url, transport } }));

  const [bridge, everything] = [await freePort(), await freePort()];
  writeFileSync(join(work, 'bridge.json'), JSON.stringify({ listen: `http://127.0.0.1:${bridge}`, command: ['python3', join(root, 'tests/Servers/conformance.py')], logDirectory: join(work, 'logs') }));
  running.push(spawn(join(root, 'artifacts/bridge/mcpcan-bridge'), ['--config', join(work, 'bridge.json')], { stdio: 'ignore' }));
  running.push(spawn(process.execPath, [join(root, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js'), 'streamableHttp'], { stdio: 'ignore', env: { ...process.env, PORT: String(everything) } }));
  await until('the remote servers answer', 30, async () => (await fetch(`http://127.0.0.1:${bridge}/-/status`)).ok && (await fetch(`http://127.0.0.1:${everything}/mcp`)).status < 500);

  instances['stdio, legacy'] = await managed('stdio legacy');
  instances['stdio, modern'] = await managed('stdio modern', '--modern');
  instances['Streamable HTTP of both eras'] = await proxied('http both', `http://127.0.0.1:${bridge}/mcp`, 'auto');
  instances['Streamable HTTP, legacy'] = await proxied('http legacy', `http://127.0.0.1:${everything}/mcp`, 'auto');
  instances['HTTP+SSE'] = await proxied('http sse', `http://127.0.0.1:${bridge}/sse`, 'sse');
  token = await product.token('*');
});
after(async () => {
  await product?.dispose();
  for (const child of running) child.kill('SIGKILL');
});

const clients = {
  'Streamable HTTP, v1 client': server => first(server, 'http'),
  'HTTP+SSE, v1 client': server => first(server, 'sse'),
  'Streamable HTTP legacy, v2 client': server => second(server, 'legacy'),
  'Streamable HTTP modern, v2 client': server => second(server, { pin: '2026-07-28' }),
  'the era that fits, v2 client': server => second(server, 'auto'),
};

/** The official client of the v1 line: legacy revisions. */
async function first(server, transport) {
  const client = await product.connect(instances[server], token, {
    transport,
    capabilities: { sampling: {}, elicitation: {}, roots: {} },
    prepare: client => {
      client.setRequestHandler(CreateMessageRequestSchema, () => answers.sampling);
      client.setRequestHandler(ElicitRequestSchema, () => answers.elicitation);
      client.setRequestHandler(ListRootsRequestSchema, () => answers.roots);
    },
  });
  return { client, call: (params, options) => client.callTool(params, undefined, options) };
}

/** The official client of the v2 line: either era. */
async function second(server, mode) {
  const client = new ModernClient({ name: 'matrix', version: '1' }, { capabilities: { sampling: {}, elicitation: {}, roots: {} }, versionNegotiation: { mode } });
  client.setRequestHandler('sampling/createMessage', () => answers.sampling);
  client.setRequestHandler('elicitation/create', () => answers.elicitation);
  client.setRequestHandler('roots/list', () => answers.roots);
  await client.connect(new ModernTransport(product.address(instances[server]), { requestInit: { headers: { Authorization: `Bearer ${token.value}` } } }));
  return { client, call: (params, options) => client.callTool(params, options) };
}

for (const [server, has] of Object.entries(servers)) {
  describe(server, () => {
    for (const [kind, connect] of Object.entries(clients)) {
      test(kind, { timeout: 90_000 }, async () => {
        const { client, call } = await connect(server);
        try {
          const [tool, args, expected] = has.tool;
          const { tools } = await client.listTools();
          assert.ok(tools.some(t => t.name === tool), `${tool} is listed`);
          assert.match(text(await call({ name: tool, arguments: args })), expected);
          await assert.rejects(async () => {
            const result = await call({ name: 'no-such-tool', arguments: {} });
            if (result.isError) throw new Error(text(result));
          });

          const seen = [];
          await call({ name: has.progress[0], arguments: has.progress[1] }, { onprogress: p => { seen.push(p.progress); } });
          assert.ok(seen.length >= 2, `progress: ${seen}`); // this client may lose one that comes with the answer
          assert.deepEqual(seen, seen.toSorted((a, b) => a - b));

          const many = await Promise.all(Array.from({ length: 20 }, () => call({ name: tool, arguments: args })));
          assert.equal(many.filter(r => expected.test(text(r))).length, 20);

          const asked = await call({ name: has.elicitation[0], arguments: has.elicitation[1] });
          assert.match(text(asked), /Ada|accept/i);
          const sampled = await call({ name: has.sampling[0], arguments: has.sampling[1] });
          assert.match(text(sampled), has.sampling[2] ?? /forty-two|./);

          if (has.resource) assert.ok((await client.readResource({ uri: has.resource })).contents[0].text.length > 0);
          assert.ok((await client.getPrompt({ name: has.prompt[0], arguments: has.prompt[1] })).messages.length > 0);
        } finally {
          await client.close();
        }
      });
    }
  });
}
