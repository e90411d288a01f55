// The official conformance suite (pinned in package.json) against a stdio server run by MCPCAN: client → gateway → bridge → server.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { Product, freePort, until } from '../ClientTests/product.js';

const root = resolve(import.meta.dirname, '../..');
const suite = join(root, 'node_modules/@modelcontextprotocol/conformance/dist/index.js');

/** What fails and why: `combination revision scenario check-id`. A line that does not fail any more fails the run. */
const userName = 'the suite asks for the key user_name, which is a word of its own fixture; a legacy server gives its questions no key';
const expected = new Map([
  ['legacy 2026-07-28 input-required-result-basic-elicitation', userName],
  ['http 2026-07-28 input-required-result-basic-elicitation', userName],
  ['sse 2026-07-28 input-required-result-basic-elicitation', userName],
]);
/** The suite's own options for a revision; what is not required of a server of this revision is not counted. */
const options = {
  '2025-06-18': ['--spec-version', '2025-06-18', '--suite', 'all'],
  '2025-11-25': ['--requirements', '2025-11-25'],
  '2026-07-28': ['--requirements', '2026-07-28'],
};
/** Our fixture has no tasks. */
const notOurs = scenario => scenario.startsWith('tasks-');

let product, remote;
const instances = {};
before(async () => {
  product = await Product.start();
  const work = mkdtempSync(join(tmpdir(), 'pack-'));
  execFileSync('python3', ['-m', 'zipfile', '-c', join(work, 'conformance.zip'), 'conformance.py'], { cwd: join(root, 'tests/Servers') });
  const { id: packageId } = await product.upload('conformance.zip', readFileSync(join(work, 'conformance.zip')));
  // The suite cannot send a token: these instances ask for none.
  const open = { access: { tokenRequired: false } };
  const managed = (name, ...args) => product.create(name, { type: 'package', packageId, start: ['python3', 'conformance.py', ...args] }, open);
  const proxied = (name, url, transport) => product.api('POST', '/instances', { name, mode: 'proxy', remote: { url, transport }, ...open });
  remote = await startRemote(work);
  instances.legacy = await product.running(await managed('legacy'));
  instances.modern = await product.running(await managed('modern', '--modern'));
  instances.http = await product.running(await proxied('http', `${remote.url}/mcp`, 'streamable-http'));
  instances.sse = await product.running(await proxied('sse', `${remote.url}/sse`, 'sse'));
});
after(async () => {
  await product?.dispose();
  remote?.process.kill('SIGKILL');
});

for (const [name, ...revisions] of [
  ['legacy', '2025-06-18', '2025-11-25', '2026-07-28'], // stdio, initialize and sessions
  ['modern', '2025-06-18', '2025-11-25', '2026-07-28'], // stdio, 2026-07-28 alone
  ['http', '2025-06-18', '2025-11-25', '2026-07-28'],   // remote, Streamable HTTP of both eras: bytes pass
  ['sse', '2025-06-18', '2025-11-25', '2026-07-28'],    // remote, HTTP+SSE alone
]) {
  for (const revision of revisions) {
    const key = `${name} ${revision}`;
    test(key, { timeout: 600_000 }, async t => {
      const results = mkdtempSync(join(tmpdir(), 'conformance-'));
      const address = product.address(instances[name]);
      address.hostname = 'localhost'; // the DNS rebinding scenario asks for that
      const { code, output } = await run([suite, 'server', '--url', address.href, ...options[revision], '-o', results]);
      const scenarios = read(results).filter(({ scenario }) => !notOurs(scenario));
      assert.ok(scenarios.length > 10, `code ${code}\n${output.slice(-3000)}`);
      const failing = [];
      for (const { scenario, checks } of scenarios) {
        await t.test(scenario, () => {
          const failed = checks.filter(check => check.status === 'FAILURE');
          if (failed.length) failing.push(`${key} ${scenario}`);
          if (!expected.has(`${key} ${scenario}`)) assert.deepEqual(failed.map(check => `${check.id}: ${check.errorMessage}`), []);
        });
      }
      await t.test('no stale expectation', () => assert.deepEqual([...expected.keys()].filter(e => e.startsWith(`${key} `) && !failing.includes(e)), []));
    });
  }
}

/** A server elsewhere: the fixture behind a bridge of its own on a port. */
async function startRemote(work) {
  const port = await freePort();
  writeFileSync(join(work, 'remote.json'), JSON.stringify({ listen: `http://127.0.0.1:${port}`, command: ['python3', join(root, 'tests/Servers/conformance.py')], logDirectory: join(work, 'logs') }));
  const process = spawn(join(root, 'artifacts/bridge/mcpcan-bridge'), ['--config', join(work, 'remote.json')], { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  await until('the remote server answers', 30, async () => (await fetch(`${url}/-/status`)).ok);
  return { process, url };
}

function run(args) {
  return new Promise(done => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', data => { output += data; });
    child.stderr.on('data', data => { output += data; });
    child.once('exit', code => done({ code, output }));
  });
}

/** Folders of the form server-<scenario>-<time> with a checks.json each. */
function read(results) {
  return readdirSync(results, { recursive: true })
    .filter(name => name.endsWith('checks.json'))
    .filter(name => existsSync(join(results, name)))
    .map(name => ({ scenario: name.replace(/\/checks\.json$/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '').replace(/^server-/, ''), checks: JSON.parse(readFileSync(join(results, name), 'utf8')) }));
}
