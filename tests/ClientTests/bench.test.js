// The benchmark, tiny: every suite runs to its end and every answer is right. How fast it was does not count here.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';

const root = resolve(import.meta.dirname, '../..');

test('the benchmark measures every suite and finds no wrong answer', { timeout: 300_000 }, async t => {
  const out = mkdtempSync(join(tmpdir(), 'bench-'));
  t.after(() => rmSync(out, { recursive: true, force: true }));

  const { code, text } = await new Promise(done =>
    execFile(join(root, 'bench/run'), ['--smoke', '--no-build', '--out', out], (error, stdout, stderr) => done({ code: error?.code ?? 0, text: stdout + stderr })));

  assert.equal(code, 0, text);
  const { measurements } = JSON.parse(readFileSync(join(out, 'bench.json'), 'utf8'));
  const suites = [...new Set(measurements.map(m => m.suite))].sort();
  assert.deepEqual(suites, ['cold', 'idle', 'many', 'proxy', 'proxy-payload', 'slow', 'soak', 'sse', 'stdio', 'stdio-payload', 'stream']);
  assert.match(text, /Wrong, lost or doubled answers: 0/);
});
