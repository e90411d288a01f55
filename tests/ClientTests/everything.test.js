// The official reference server, run by MCPCAN from its npm command, used by the official client over both transports.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema, LoggingMessageNotificationSchema, ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { Product, text, until } from './product.js';

let product, instance, token;
before(async () => {
  product = await Product.start();
  instance = await product.createCommand('everything', 'npx', '-y', '@modelcontextprotocol/server-everything');
  token = await product.token([instance]);
});
after(() => product?.dispose());

for (const transport of ['http', 'sse']) {
  describe(transport, () => {
    let client;
    const logged = [], updated = [], asked = [];
    before(async () => {
      client = await product.connect(instance, token, {
        transport,
        capabilities: { sampling: {}, elicitation: {}, roots: {} },
        prepare: client => {
          client.setRequestHandler(CreateMessageRequestSchema, request => {
            asked.push(request);
            return { model: 'test', role: 'assistant', content: { type: 'text', text: 'forty-two' } };
          });
          client.setRequestHandler(ElicitRequestSchema, request => {
            asked.push(request);
            return { action: 'accept', content: { name: 'Ada', check: true } };
          });
          client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: 'file:///work', name: 'work' }] }));
          client.setNotificationHandler(LoggingMessageNotificationSchema, n => { logged.push(n.params); });
          client.setNotificationHandler(ResourceUpdatedNotificationSchema, n => { updated.push(n.params.uri); });
        },
      });
    });
    after(() => client?.close());

    test('initialize tells the server behind', () => assert.equal(client.getServerVersion().name, 'mcp-servers/everything'));

    test('tools/list', async () => {
      const names = (await client.listTools()).tools.map(tool => tool.name);
      for (const name of ['echo', 'get-sum', 'trigger-sampling-request', 'trigger-elicitation-request']) assert.ok(names.includes(name), name);
    });

    test('tools/call', async () => {
      assert.match(text(await client.callTool({ name: 'echo', arguments: { message: 'höhe 高さ 🙂' } })), /höhe 高さ 🙂/);
      assert.match(text(await client.callTool({ name: 'get-sum', arguments: { a: 2, b: 40 } })), /42/);
    });

    test('a large argument comes back whole', async () => {
      const message = 'x'.repeat(2 << 20);
      assert.ok(text(await client.callTool({ name: 'echo', arguments: { message } })).includes(message));
    });

    test('an error of the server is the server’s', async () => {
      const result = await client.callTool({ name: 'get-sum', arguments: { a: 'two', b: 1 } });
      assert.equal(result.isError, true);
    });

    test('a long call reports progress', async () => {
      const progress = [];
      const result = await client.callTool({ name: 'trigger-long-running-operation', arguments: { duration: 2, steps: 4 } }, undefined, { onprogress: p => progress.push(p.progress) });
      assert.match(text(result), /completed/);
      assert.deepEqual(progress.slice(0, 3), [1, 2, 3]); // the client itself may drop the last one when the result comes right behind it
    });

    test('cancellation', async () => {
      const cancel = new AbortController();
      const call = client.callTool({ name: 'trigger-long-running-operation', arguments: { duration: 60, steps: 60 } }, undefined, { signal: cancel.signal, onprogress: () => cancel.abort('enough') });
      await assert.rejects(call, /enough/);
      assert.match(text(await client.callTool({ name: 'echo', arguments: { message: 'still here' } })), /still here/);
    });

    test('sampling is answered by the client', async () => {
      asked.length = 0;
      assert.match(text(await client.callTool({ name: 'trigger-sampling-request', arguments: { prompt: 'hello' } })), /forty-two/);
      assert.equal(asked.length, 1);
    });

    test('elicitation is answered by the client', async () => {
      asked.length = 0;
      assert.match(text(await client.callTool({ name: 'trigger-elicitation-request', arguments: {} })), /Ada/);
      assert.equal(asked.length, 1);
    });

    test('roots are answered by the client', async () =>
      assert.match(text(await client.callTool({ name: 'get-roots-list', arguments: {} })), /file:\/\/\/work/));

    test('resources: list, templates, read, subscribe', async () => {
      const { resources } = await client.listResources();
      assert.ok(resources.length > 0);
      assert.ok((await client.readResource({ uri: resources[0].uri })).contents[0].text.length > 0);
      assert.ok((await client.listResourceTemplates()).resourceTemplates.length > 0);
      const uri = 'demo://resource/dynamic/text/1';
      assert.match((await client.readResource({ uri })).contents[0].text, /Resource 1/);
      await client.subscribeResource({ uri });
      await client.callTool({ name: 'toggle-subscriber-updates', arguments: {} });
      await until('an update arrives', 15, () => updated.includes(uri));
      await client.callTool({ name: 'toggle-subscriber-updates', arguments: {} });
      await client.unsubscribeResource({ uri });
    });

    test('prompts: list, get', async () => {
      assert.ok((await client.listPrompts()).prompts.some(p => p.name === 'args-prompt'));
      const prompt = await client.getPrompt({ name: 'args-prompt', arguments: { city: 'Oslo' } });
      assert.match(prompt.messages[0].content.text, /Oslo/);
    });

    test('completion', async () => {
      const { completion } = await client.complete({ ref: { type: 'ref/prompt', name: 'completable-prompt' }, argument: { name: 'department', value: 'E' } });
      assert.deepEqual(completion.values, ['Engineering']);
    });

    test('logging level and messages', async () => {
      await client.setLoggingLevel('debug');
      await client.callTool({ name: 'toggle-simulated-logging', arguments: {} });
      await until('a log message arrives', 15, () => logged.length > 0);
      await client.callTool({ name: 'toggle-simulated-logging', arguments: {} });
    });

    test('ping', () => client.ping());
  });
}

test('two clients at once do not see each other', async () => {
  const answers = { a: [], b: [] };
  const connect = (name, transport) => product.connect(instance, token, {
    transport, name, capabilities: { sampling: {} },
    prepare: client => client.setRequestHandler(CreateMessageRequestSchema, () => {
      answers[name].push(name);
      return { model: 'test', role: 'assistant', content: { type: 'text', text: `I am ${name}` } };
    }),
  });
  const [a, b] = await Promise.all([connect('a', 'http'), connect('b', 'sse')]);
  const call = (client, i) => client.callTool({ name: 'echo', arguments: { message: `call ${i}` } });
  const sample = client => client.callTool({ name: 'trigger-sampling-request', arguments: { prompt: 'who' } });
  const results = await Promise.all([...Array(20).keys()].map(i => call(i % 2 ? a : b, i)));
  results.forEach((result, i) => assert.match(text(result), new RegExp(`call ${i}$`)));
  const [first, second] = await Promise.all([sample(a), sample(b)]);
  assert.match(text(first), /I am a/);
  assert.match(text(second), /I am b/);
  assert.deepEqual(answers, { a: ['a'], b: ['b'] });
  await Promise.all([a.close(), b.close()]);
});

for (const transport of ['http', 'sse']) {
  test(`the MCP Inspector's command line works over ${transport}`, async () => {
    const inspector = join(import.meta.dirname, '../../node_modules/.bin/mcp-inspector');
    const { stdout } = await promisify(execFile)(process.execPath, [inspector, '--cli', product.address(instance, transport).href, '--transport', transport,
      '--header', `Authorization: Bearer ${token.value}`, '--method', 'tools/call', '--tool-name', 'echo', '--tool-arg', 'message=from the inspector'],
    { timeout: 60_000, env: { ...process.env, HOME: mkdtempSync(join(tmpdir(), 'inspector-')) } });
    assert.match(stdout, /from the inspector/);
  });
}

test('access records and logs show what happened', async () => {
  await until('an echo is on record', 15, async () => {
    const { items } = await product.api('GET', `/access-logs?instance=${instance.id}&tool=echo&limit=5`);
    const record = items[0];
    return record && record.method === 'tools/call' && record.target === 'echo' && record.durationMs >= 0;
  });
  const lines = await product.logs(instance, '?tail=50');
  assert.ok(lines.some(line => /Starting default \(STDIO\) server/.test(line.msg)), JSON.stringify(lines.slice(-5)));
  const all = JSON.stringify(lines) + JSON.stringify(await product.api('GET', `/access-logs?instance=${instance.id}&limit=100`));
  assert.ok(!all.includes(token.value), 'a token stands in a log');
});
