// Every command of both toolkits against a running MCPCAN: what one does, the other does too.
import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { Client as ModernClient } from '@modelcontextprotocol/client';
import { StdioClientTransport as ModernTransport } from '@modelcontextprotocol/client/stdio';
import { text, until } from '../ClientTests/product.js';
import { kinds, Toolkits, write } from './toolkits.js';

const commands = ['login', 'logout', 'whoami', 'init', 'deploy', 'dev', 'list', 'logs', 'call', 'connect', 'open', 'token', 'rollback', 'start', 'stop', 'restart', 'delete', 'apply', 'export'];
let toolkits;
before(async () => { toolkits = await Toolkits.start(); });
after(() => toolkits?.dispose());

const deploy = async (kind, example, ...more) => {
  const folder = toolkits.example(kind, example);
  return { folder, made: await toolkits.json(kind, ['deploy', folder, '--name', `${example}-${kind}`, ...more]) };
};
const answer = async (kind, name) => (await toolkits.ok(kind, ['call', name, 'answer'])).trim();
const edit = (folder, file, from, to) => writeFileSync(join(folder, file), readFileSync(join(folder, file), 'utf8').replace(from, to));

test('help, version and usage are the same', async () => {
  for (const args of [['--help'], [], ['--version'], ['nonsense'], ['deploy', '--nonsense'], ['deploy', '--name'], ['deploy', 'a', 'b'], ['call'], ['logs', 'x', '--tail', 'many'], ['token', 'create', 'x'], ['token', 'eat', 'x'], ...commands.map(c => [c, '--help'])]) {
    const { code } = await toolkits.both(args);
    assert.equal(code, args[0] === undefined || args[0].startsWith('--') || args[1] === '--help' ? 0 : 2, args.join(' '));
  }
});

test('what goes wrong is said with its fix and by the exit code', async () => {
  const cases = [
    [['list'], { MCPCAN_URL: '', MCPCAN_API_KEY: '' }, 3, /mcpcan login/],
    [['list'], { MCPCAN_API_KEY: 'mck_wrong' }, 3, /API key is not valid/],
    [['list'], { MCPCAN_URL: 'http://127.0.0.1:1' }, 6, /not reached at http:\/\/127\.0\.0\.1:1: the connection was refused/],
    [['list'], { MCPCAN_URL: 'ftp://x' }, 2, /no address/],
    [['list', '--json'], { MCPCAN_API_KEY: 'mck_wrong' }, 3, /"code": "unauthenticated"/],
    [['call', 'nobody', 'x'], {}, 4, /There is no server 'nobody'/],
    [['logs', 'nobody'], {}, 4, /There is no server/],
    [['connect', 'nobody'], {}, 4, /There is no server/],
    [['delete', 'nobody', '--yes'], {}, 4, /There is no server/],
    [['token', 'delete', 'nobody'], {}, 4, /There is no token/],
    [['deploy', '/no/such/folder'], {}, 1, /There is no folder '\/no\/such\/folder'/],
    [['deploy', '/etc/hostname'], {}, 1, /is a file/],
    [['init', '/proc/sys'], {}, 1, /No Node, TypeScript or Python project/],
  ];
  for (const [args, env, exit, words] of cases) {
    const { code, out, err } = await toolkits.both(args, { env });
    assert.equal(code, exit, `${args}: ${err}`);
    assert.match(out + err, words);
  }
});

test('a read-only key may look and not touch', async () => {
  const { key, value } = await toolkits.product.api('POST', '/api-keys', { name: 'viewer', role: 'viewer' });
  const env = { MCPCAN_API_KEY: value ?? key };
  assert.equal((await toolkits.both(['list'], { env })).code, 0);
  assert.equal((await toolkits.both(kind => ['deploy', toolkits.example(kind, 'plain')], { env })).code, 3);
});

test('login keeps the key for its user only, whoami says who it is, logout forgets', async () => {
  const env = { MCPCAN_URL: '', MCPCAN_API_KEY: '' };
  const bad = await toolkits.both(['login', '--url', toolkits.product.url], { env, input: 'mck_wrong\n' });
  assert.equal(bad.code, 3);
  assert.equal((await toolkits.both(['login'], { env, input: 'x\n' })).code, 2);
  assert.equal((await toolkits.both(['login', '--url', toolkits.product.url], { env })).code, 2);
  const good = await toolkits.both(['login', '--url', `${toolkits.product.url}/`], { env, input: `${toolkits.product.key}\n` });
  assert.match(good.out, /Signed in at http:\S+\d as key:tests \(admin\)\./);
  for (const kind of kinds) assert.equal(statSync(join(toolkits.folder, `config-${kind}`, 'mcpcan/config.json')).mode & 0o777, 0o600);
  assert.match((await toolkits.both(['whoami'], { env })).out, /key:tests \(admin\)/);
  // A kept key goes to no other address.
  assert.equal((await toolkits.both(['whoami'], { env: { ...env, MCPCAN_URL: 'http://127.0.0.1:2' } })).code, 3);
  assert.equal((await toolkits.both(['logout'], { env })).code, 0);
  assert.equal((await toolkits.both(['whoami'], { env })).code, 3);
});

test('init recognises the project and writes a file that says what it may hold', async () => {
  for (const [example, language] of [['plain', 'Node'], ['typescript', 'TypeScript'], ['python', 'Python']]) {
    const folders = Object.fromEntries(kinds.map(kind => [kind, toolkits.example(kind, example)]));
    const { out } = await toolkits.both(kind => ['init', folders[kind]]);
    assert.match(out, new RegExp(`a ${language} project`));
    const [a, b] = kinds.map(kind => readFileSync(join(folders[kind], 'mcpcan.json'), 'utf8').replaceAll(`-${kind}`, ''));
    assert.equal(b, a);
    const schema = await (await fetch(JSON.parse(a).$schema)).json();
    assert.deepEqual(Object.keys(JSON.parse(a)).filter(k => !schema.properties[k]), []);
    assert.equal((await toolkits.both(kind => ['init', folders[kind]])).code, 1);
    assert.equal((await toolkits.both(kind => ['init', folders[kind], '--force', '--name', 'other'])).code, 0);
  }
});

test('a mcpcan.json that is not understood is refused with all its mistakes', async () => {
  const { code, err } = await toolkits.both(kind => {
    const folder = toolkits.example(kind, 'plain');
    write(folder, { 'mcpcan.json': '{"name": 1, "start": "node x", "colour": "red", "env": {"A": 1}}' });
    return ['deploy', folder];
  });
  assert.equal(code, 1);
  for (const name of ['name', 'start', 'colour', 'env']) assert.match(err, new RegExp(`^ {2}${name}: `, 'm'));
});

test('a folder becomes a server, a second deploy its next version, and rollback goes back', async () => {
  const made = {};
  const first = await toolkits.both(kind => ['deploy', (made[kind] = toolkits.example(kind, 'plain')), '--name', `plain-${kind}`, '--env', 'GREETING=hi', '--secret', 'SECRET=quiet']);
  assert.equal(first.code, 0, first.err);
  assert.match(first.err, /Uploading 2 files[\s\S]*Creating the server/);
  assert.match(first.out, /Version 1 of 'plain-node' runs\.\n {2}Address {2}http\S+\n {2}Token {4}mct_\S+ {2}\(shown only now\)[\s\S]*"mcpServers"/);
  const [, address] = /Address {2}(\S+)/.exec(first.out);
  const [, token] = /Token {4}(\S+)/.exec(first.out);
  const response = await fetch(address, {
    method: 'POST', headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } } }),
  });
  assert.equal(response.status, 200);
  await response.body.cancel();
  assert.match((await toolkits.both(kind => ['call', `plain-${kind}`, 'environment'])).out, /"greeting":"hi","secret":"quiet"/);

  for (const kind of kinds) edit(made[kind], 'server.js', "'first'", "'second'");
  const second = await toolkits.both(kind => ['deploy', made[kind], '--name', `plain-${kind}`, '--json']);
  const { version, created, token: none } = JSON.parse(second.out);
  assert.deepEqual({ version, created, none }, { version: 2, created: false, none: null });
  assert.equal((await toolkits.both(kind => ['call', `plain-${kind}`, 'answer'])).out, 'second\n');
  assert.match((await toolkits.both(kind => ['call', `plain-${kind}`, 'environment'])).out, /"greeting":"hi","secret":"quiet"/);

  assert.match((await toolkits.both(kind => ['rollback', `plain-${kind}`])).out, /Version 1 of 'plain-node' runs/);
  assert.equal((await toolkits.both(kind => ['call', `plain-${kind}`, 'answer'])).out, 'first\n');
  assert.equal((await toolkits.both(kind => ['rollback', `plain-${kind}`, '9'])).code, 4);

  // A version that does not start leaves the one that serves at work.
  for (const kind of kinds) write(made[kind], { 'server.js': "console.error('no database here'); process.exit(3);" });
  const broken = await toolkits.both(kind => ['deploy', made[kind], '--name', `plain-${kind}`]);
  assert.equal(broken.code, 1);
  assert.match(broken.err, /Version 3 was not deployed: [\s\S]*Version 1 serves on\.[\s\S]*no database here/);
  assert.equal((await toolkits.both(kind => ['call', `plain-${kind}`, 'answer'])).out, 'first\n');
});

test('a client that is not known is named before a token is made', async () => {
  const { code, err } = await toolkits.both(kind => ['deploy', toolkits.example(kind, 'plain'), '--name', `client-${kind}`, '--client', 'nobody']);
  assert.equal(code, 1);
  assert.match(err, /'client' must be one of claude-code/);
  const { out } = await toolkits.both(kind => ['deploy', toolkits.example(kind, 'plain'), '--name', `client-${kind}`, '--client', 'cursor']);
  assert.match(out, /mct_[\s\S]*For cursor, in ~\/\.cursor\/mcp\.json/);
  await toolkits.both(kind => ['delete', `client-${kind}`, '-y', '--package']);
});

test('a tool\'s schema decides the types of its arguments', async () => {
  const args = ['text=12', 'count=3', 'ratio=0.5', 'on=true', 'tags=a', 'tags=b', 'more={"x": [1]}', 'any=7'].flatMap(a => ['--arg', a]);
  const { out } = await toolkits.both(kind => ['call', `plain-${kind}`, 'echo', ...args]);
  assert.deepEqual(JSON.parse(out), { text: '12', count: 3, ratio: 0.5, on: true, tags: ['a', 'b'], more: { x: [1] }, any: 7 });
  assert.deepEqual(JSON.parse((await toolkits.both(kind => ['call', `plain-${kind}`, 'echo', '--json-args', '{"text": "a b", "deep": {"n": null}}', '--arg', 'ratio=null'])).out), { text: 'a b', deep: { n: null }, ratio: null });
  assert.equal((await toolkits.both(kind => ['call', `plain-${kind}`, 'echo', '--arg', 'count=many'])).code, 2);
  assert.equal((await toolkits.both(kind => ['call', `plain-${kind}`, 'echo', '--json-args', '[1]'])).code, 2);
  assert.equal((await toolkits.both(kind => ['call', `plain-${kind}`, 'fail'])).code, 1);
  assert.equal((await toolkits.both(kind => ['call', `plain-${kind}`, 'nothing'])).code, 4);
  assert.match((await toolkits.both(kind => ['call', `plain-${kind}`])).out, /echo +text \[count\] \[ratio\]/);
  assert.equal(JSON.parse((await toolkits.both(kind => ['call', `plain-${kind}`, 'answer', '--json'])).out).result.content[0].text, 'first');
});

test('list, open and logs show what there is', async () => {
  assert.match((await toolkits.both(kind => ['list', '--search', `plain-${kind}`])).out, /plain-node +Running +version 1 +http/);
  assert.equal((await toolkits.json('python', ['list'])).length, (await toolkits.json('node', ['list'])).length);
  assert.match((await toolkits.both(kind => ['open', `plain-${kind}`])).out, /\/instances\/i-\w+\n$/);
  for (const kind of kinds) {
    assert.match(await toolkits.ok(kind, ['logs', `plain-${kind}`]), /^\d{4}-\d\d-\d\dT[\d:]{8}Z stderr {2}called answer$/m);
    assert.equal((await toolkits.ok(kind, ['logs', `plain-${kind}`, '--tail', '2', '--json'])).trim().split('\n').map(line => JSON.parse(line)).length, 2);
    const following = toolkits.follow(kind, ['logs', `plain-${kind}`, '-f', '--tail', '0']);
    // Until it follows, calls are not seen by it.
    await until('the log shows a new call', 30, async () => { await answer(kind, `plain-${kind}`); return /called answer/.test(following.text()); });
    assert.equal(await following.end('SIGINT'), 0);
  }
});

test('tokens are made, listed and deleted', async () => {
  for (const kind of kinds) {
    const name = `token-${kind}`;
    const value = (await toolkits.ok(kind, ['token', 'create', name, '--instance', `plain-${kind}`, '--expires', '2h', '--tool', 'answer'])).trim();
    assert.match(value, /^mct_[\w-]{43}$/);
    const found = (await toolkits.json(kind, ['token', 'list'])).find(t => t.name === name);
    assert.ok(Math.abs(new Date(found.expiresAt) - Date.now() - 7_200_000) < 120_000, found.expiresAt);
    assert.match(await toolkits.ok(kind, ['token', 'list']), new RegExp(`${name} +t-\\w+ +1 server +20`));
    await toolkits.ok(kind, ['token', 'delete', name]);
  }
  assert.equal((await toolkits.both(kind => ['token', 'create', 'x', '--instance', `plain-${kind}`, '--expires', 'soon'])).code, 2);
  assert.equal((await toolkits.both(kind => ['token', 'create', 'x', '--instance', `plain-${kind}`, '--expires', '2001-01-01T00:00:00Z'])).code, 1);
});

for (const kind of kinds) {
  test(`${kind}: connect lets a client of stdio use a server, also over its restart`, async () => {
    const name = `plain-${kind}`;
    const tokens = async () => (await toolkits.json(kind, ['token', 'list', '--instance', name])).length;
    const before = await tokens();
    const client = new Client({ name: 'stdio', version: '1.0.0' });
    await client.connect(new StdioClientTransport({ command: toolkits.programs[kind], args: ['connect', name], env: toolkits.env(kind), stderr: 'inherit' }));
    assert.deepEqual((await client.listTools()).tools.map(t => t.name), ['answer', 'echo', 'environment', 'fail']);
    const texts = await Promise.all([...Array(20).keys()].map(async n => text(await client.callTool({ name: 'echo', arguments: { text: `${n} ä 汉` } }))));
    assert.deepEqual(texts.map(t => JSON.parse(t).text), [...Array(20).keys()].map(n => `${n} ä 汉`));
    assert.match(await toolkits.ok(kind, ['restart', name]), /runs/);
    assert.equal(text(await client.callTool({ name: 'answer', arguments: {} })), 'first');
    await client.close();
    await until('its token is gone', 20, async () => await tokens() === before);
  });

  test(`${kind}: connect takes an address and a token, and says on stderr or as an answer what goes wrong`, async () => {
    const instance = (await toolkits.json(kind, ['list', '--search', `plain-${kind}`]))[0];
    const address = new URL(instance.address.streamableHttp, toolkits.product.url).href;
    const token = (await toolkits.ok(kind, ['token', 'create', `direct-${kind}`, '--instance', instance.slug])).trim();
    const lines = [
      { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } } },
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      { jsonrpc: '2.0', id: 'two', method: 'tools/call', params: { name: 'answer', arguments: {} } },
    ].map(m => JSON.stringify(m));
    const without = { MCPCAN_URL: '', MCPCAN_API_KEY: '' };
    const out = await toolkits.ok(kind, ['connect', address], { env: { ...without, MCPCAN_TOKEN: token }, input: [...lines, 'no json', ''].join('\n') });
    const answers = out.trim().split('\n').map(line => JSON.parse(line));
    assert.deepEqual(answers.map(a => a.id).sort(), [1, 'two', null].sort());
    assert.equal(answers.find(a => a.id === 'two').result.content[0].text, 'first');
    assert.equal(answers.find(a => a.id === null).error.code, -32700);
    const refused = await toolkits.ok(kind, ['connect', address, '--token', 'mct_wrong'], { env: without, input: lines[0] + '\n' });
    assert.match(JSON.parse(refused).error.message, /401.*token/);
  });
}

test('connect carries what a server asks its client, progress and cancellation, in both eras', async t => {
  const everything = await toolkits.product.createCommand('everything', 'npx', '-y', '@modelcontextprotocol/server-everything');
  t.after(() => toolkits.product.delete(everything));
  for (const kind of kinds) {
    const command = { command: toolkits.programs[kind], args: ['connect', 'everything'], env: toolkits.env(kind), stderr: 'inherit' };
    const client = new Client({ name: 'stdio', version: '1.0.0' }, { capabilities: { sampling: {}, elicitation: {}, roots: {} } });
    client.setRequestHandler(CreateMessageRequestSchema, () => ({ role: 'assistant', model: 'm', content: { type: 'text', text: 'forty-two' } }));
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'Ada' } }));
    client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [] }));
    await client.connect(new StdioClientTransport(command));
    assert.match(text(await client.callTool({ name: 'trigger-sampling-request', arguments: { prompt: 'hello' } })), /forty-two/);
    assert.match(text(await client.callTool({ name: 'trigger-elicitation-request', arguments: {} })), /Ada/);
    const progress = [];
    const long = client.callTool({ name: 'trigger-long-running-operation', arguments: { duration: 2, steps: 4 } }, undefined, { onprogress: p => progress.push(p.progress) });
    // A long call holds up nothing.
    assert.match(text(await client.callTool({ name: 'echo', arguments: { message: 'meanwhile' } })), /meanwhile/);
    assert.deepEqual(progress.includes(4), false);
    await long;
    assert.deepEqual(progress.slice(0, 3), [1, 2, 3]);
    const cancel = new AbortController();
    await assert.rejects(client.callTool({ name: 'trigger-long-running-operation', arguments: { duration: 60, steps: 60 } }, undefined, { signal: cancel.signal, onprogress: () => cancel.abort('enough') }));
    await client.close();

    const modern = new ModernClient({ name: 'stdio', version: '1' }, { capabilities: {}, versionNegotiation: { mode: { pin: '2026-07-28' } } });
    await modern.connect(new ModernTransport(command));
    assert.ok((await modern.listTools()).tools.length > 5);
    assert.equal(modern.getNegotiatedProtocolVersion(), '2026-07-28');
    assert.match(text(await modern.callTool({ name: 'echo', arguments: { message: 'modern ä' } })), /modern ä/);
    await modern.close();
  }
});

test('a server is stopped, started and restarted, and deleted only when that is said', async () => {
  assert.match((await toolkits.both(kind => ['stop', `plain-${kind}`])).out, /is stopped/);
  assert.equal((await toolkits.both(kind => ['call', `plain-${kind}`, 'answer'])).code, 1);
  assert.equal((await toolkits.both(kind => ['start', `plain-${kind}`])).code, 0);
  assert.equal((await toolkits.both(kind => ['call', `plain-${kind}`, 'answer'])).code, 0);
  assert.equal((await toolkits.both(kind => ['delete', `plain-${kind}`])).code, 2);
  assert.match((await toolkits.both(kind => ['delete', `plain-${kind}`, '--yes', '--package'])).out, /is deleted with its code/);
  assert.equal((await toolkits.both(kind => ['logs', `plain-${kind}`])).code, 4);
});

for (const kind of kinds) {
  test(`${kind}: TypeScript is built where it runs, with the install log shown`, async () => {
    const folder = toolkits.example(kind, 'typescript');
    const { code, out, err } = await toolkits.run(kind, ['deploy', folder, '--name', `typescript-${kind}`, '--no-token']);
    assert.equal(code, 0, err);
    assert.match(err, /installed with: npm install [^\n]*, built with: npm run build, started with: node dist\/server\.js\n[\s\S]*Starting: install\n[\s\S]* {2}\| \$ npm run build\n/);
    assert.doesNotMatch(out, /mct_/);
    assert.equal(await answer(kind, `typescript-${kind}`), 'built');
    await toolkits.ok(kind, ['delete', `typescript-${kind}`, '-y']);
  });

  test(`${kind}: Python gets what requirements.txt names`, async () => {
    const { folder, made } = await deploy(kind, 'python');
    assert.match(made.token, /^mct_/);
    assert.equal(await answer(kind, `python-${kind}`), 'hello world');
    edit(folder, 'server.py', 'greet("world")', 'greet("you")');
    const { err } = await toolkits.run(kind, ['deploy', folder, '--name', `python-${kind}`]);
    assert.match(err, /Trying version 2 beside[\s\S]* {2}\| \$ .*pip install -r requirements\.txt\n[\s\S]*Deployed\n/);
    assert.equal(await answer(kind, `python-${kind}`), 'hello you');
    await toolkits.ok(kind, ['delete', `python-${kind}`, '-y']);
    // The code is still there: the same name goes on with its next version.
    assert.equal((await toolkits.json(kind, ['deploy', toolkits.example(kind, 'python'), '--name', `python-${kind}`])).version, 3);
    await toolkits.ok(kind, ['delete', `python-${kind}`, '-y', '--package']);
  });

  test(`${kind}: a server that does not start fails the deploy with its last words, and the next deploy mends it`, async () => {
    const folder = toolkits.example(kind, 'plain');
    const good = readFileSync(join(folder, 'server.js'), 'utf8');
    write(folder, { 'server.js': "console.error('\\x1b[31mno database here\\x1b[0m'); process.exit(3);" });
    const { code, err } = await toolkits.run(kind, ['deploy', folder, '--name', `mend-${kind}`]);
    assert.equal(code, 1);
    assert.match(err, /does not run: [\s\S]*\n {2}no database here\n/);
    write(folder, { 'server.js': good });
    const made = await toolkits.json(kind, ['deploy', folder, '--name', `mend-${kind}`]);
    assert.match(made.token, /^mct_/);
    await toolkits.ok(kind, ['delete', `mend-${kind}`, '-y', '--package']);
  });

  for (const [example, file, first] of [['plain', 'server.js', "'first'"], ['python', 'server.py', 'greeter.greet("world")']]) {
    test(`${kind}: dev brings an edit of a ${example} server into its next answer`, async t => {
      const folder = toolkits.example(kind, example);
      let from = first;
      if (example === 'python') { // plain: nothing to install
        rmSync(join(folder, 'wheels'), { recursive: true });
        rmSync(join(folder, 'requirements.txt'));
        edit(folder, file, 'import greeter', '');
        edit(folder, file, from, '"zero"');
        from = '"zero"';
      }
      const name = `dev-${example}-${kind}`;
      const dev = toolkits.follow(kind, ['dev', folder, '--name', name, '--no-token']);
      try {
        await dev.shows(/Watching for changes/);
        for (const value of ['one', 'two']) {
          const begin = performance.now();
          edit(folder, file, from, `'${value}'`);
          from = `'${value}'`;
          await until(() => `the answer is ${value}:\n${dev.text()}`, 60, async () => {
            const { result } = await toolkits.product.api('POST', `/instances/${name}/tools/answer/call`, {});
            return text(result) === value;
          });
          t.diagnostic(`${kind} ${example}: an edit was visible after ${((performance.now() - begin) / 1000).toFixed(2)} s`);
        }
        // A new file, and one that goes.
        write(folder, { 'notes/ä b.txt': 'x' });
        await dev.shows(/Changed: notes\/ä b\.txt\n/);
        await dev.shows(/Version 4 runs/);
        rmSync(join(folder, 'notes'), { recursive: true });
        await dev.shows(/Version 5 runs/);
        if (example === 'plain') {
          edit(folder, file, "const answer = 'two'", 'const answer = ;');
          await dev.shows(/Version 6 does not run/);
          edit(folder, file, 'const answer = ;', "const answer = 'three'");
          await dev.shows(/Version 7 runs/);
          assert.equal(await answer(kind, name), 'three');
          await dev.shows(/stderr {2}called answer/);
        }
      } finally {
        assert.equal(await dev.end('SIGINT'), 0);
      }
      assert.match(dev.text(), /runs on\. Delete it with/);
      await toolkits.ok(kind, ['delete', name, '-y', '--package']);
    });
  }
}

test('a file is applied, the second time without a change, and exported again', async () => {
  const file = kind => {
    const folder = toolkits.example(kind, 'plain');
    write(folder, { 'state.json': JSON.stringify({
      instances: [{ slug: `declared-${kind}`, start: false, source: { type: 'command', command: 'true' }, env: { LEVEL: 'info', KEY: { secret: 'quiet' } } }],
      tokens: [{ name: `declared-${kind}`, instances: [`declared-${kind}`] }],
    }) });
    return `${folder}/state.json`;
  };
  const files = Object.fromEntries(kinds.map(kind => [kind, file(kind)]));
  assert.match((await toolkits.both(kind => ['apply', '-f', files[kind], '--plan'])).out, /instance declared-node: to create\ntoken declared-node: to create\n/);
  assert.match((await toolkits.both(kind => ['apply', '-f', files[kind]])).out, /instance declared-node: created\ntoken declared-node: created\n {2}Token {4}mct_/);
  assert.equal((await toolkits.both(kind => ['apply', '-f', files[kind]])).out, 'instance declared-node: as it should be\ntoken declared-node: as it should be\n');
  for (const kind of kinds) edit(dirname(files[kind]), 'state.json', '"LEVEL":"info"', '"LEVEL":"debug"');
  assert.match((await toolkits.both(kind => ['apply', '-f', files[kind], '--plan'])).out, /instance declared-node: to change \(env\.LEVEL\)/);

  const exported = JSON.parse((await toolkits.run('node', ['export'])).out).instances.find(i => i.slug === 'declared-node');
  assert.deepEqual(exported.env, { KEY: { secret: true }, LEVEL: 'info' });
  assert.equal((await toolkits.both(['apply', '-f', 'nowhere.json'])).code, 2);
  for (const kind of kinds) write(dirname(files[kind]), { 'state.json': JSON.stringify({ instances: [{ slug: `bad-${kind}`, mode: 'moon' }] }) });
  assert.equal((await toolkits.both(kind => ['apply', '-f', files[kind]])).code, 1);
});
