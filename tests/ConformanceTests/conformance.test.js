// The official conformance suite (pinned in package.json) against a stdio server run by MCPCAN: client → gateway → bridge → server.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { Product } from '../ClientTests/product.js';

const root = resolve(import.meta.dirname, '../..');
const suite = join(root, 'node_modules/@modelcontextprotocol/conformance/dist/index.js');

/** What fails and why, as `revision scenario check-id`. A line that does not fail any more fails the run. */
const expected = new Map([
]);

let product, instance;
before(async () => {
  product = await Product.start();
  const work = mkdtempSync(join(tmpdir(), 'pack-'));
  execFileSync('python3', ['-m', 'zipfile', '-c', join(work, 'conformance.zip'), 'conformance.py'], { cwd: join(root, 'tests/Servers') });
  const uploaded = await product.upload('conformance.zip', readFileSync(join(work, 'conformance.zip')));
  // The suite cannot send a token: this instance asks for none.
  instance = await product.running(await product.create('conformance',
    { type: 'package', packageId: uploaded.id, start: ['python3', 'conformance.py'] }, { access: { tokenRequired: false } }));
});
after(() => product?.dispose());

for (const [revision, options] of [
  ['2025-06-18', ['--spec-version', '2025-06-18', '--suite', 'all']],
  ['2025-11-25', ['--requirements', '2025-11-25']],
]) {
  test(revision, { timeout: 600_000 }, async t => {
    const results = mkdtempSync(join(tmpdir(), 'conformance-'));
    const address = product.address(instance);
    address.hostname = 'localhost'; // the DNS rebinding scenario asks for that
    const { code, output } = await run([suite, 'server', '--url', address.href, ...options, '-o', results]);
    const scenarios = read(results);
    assert.ok(scenarios.length > 10, `code ${code}\n${output.slice(-3000)}`);
    for (const { scenario, checks } of scenarios) {
      await t.test(scenario, () => {
        const failed = checks.filter(check => check.status === 'FAILURE' && !expected.has(`${revision} ${scenario} ${check.id}`));
        assert.deepEqual(failed.map(check => `${check.id}: ${check.errorMessage}`), []);
      });
    }
    await t.test('no stale expectation', () => {
      const failing = scenarios.flatMap(({ scenario, checks }) => checks.filter(c => c.status === 'FAILURE').map(c => `${revision} ${scenario} ${c.id}`));
      assert.deepEqual([...expected.keys()].filter(key => key.startsWith(revision) && !failing.includes(key)), []);
    });
  });
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
