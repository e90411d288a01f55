// Which files are sent, and how they arrive: both toolkits and git agree.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { kinds, Toolkits, write } from './toolkits.js';

let toolkits;
before(async () => { toolkits = await Toolkits.start(); });
after(() => toolkits?.dispose());

async function sent(kind, folder, name) {
  const made = await toolkits.json(kind, ['deploy', folder, '--name', name, '--no-token', '--no-wait']);
  const { items } = await toolkits.product.api('GET', `/packages/${made.package}/versions/${made.version}/files`);
  const text = async path => (await toolkits.product.fetch('GET', `/packages/${made.package}/versions/${made.version}/files/${path.split('/').map(encodeURIComponent).join('/')}`)).text();
  const files = items.filter(i => !/folder/i.test(i.kind));
  const found = Object.fromEntries(await Promise.all(files.map(async f => [f.path, { size: f.size, executable: f.executable, text: (await text(f.path)).slice(0, 100) }])));
  await toolkits.ok(kind, ['delete', name, '-y', '--package']);
  return found;
}

test('the rules of .gitignore hold as git has them', async () => {
  const folder = join(toolkits.folder, 'ignored');
  const names = [
    'server.js', 'a.log', 'keep.log', 'logs/x.txt', 'deep/logs/x.txt', 'build/out.js', 'src/build/out.js', 'doc/a.txt', 'doc/b/a.txt', 'doc/a.md', 'x/y/z/end.tmp', 'x/end.tmp',
    'q1.dat', 'q22.dat', 'file[1].txt', 'f1.set', 'f7.set', 'fx.set', '#sharp', '!loud', 'space ', 'sub/only.txt', 'sub/other.txt', 'sub/a.log', 'top.txt', 'sub/top.txt', 'any/where/cache/x', 'cache', 'ä/ü.txt', 'ä/ö.txt',
  ];
  write(folder, Object.fromEntries(names.map(n => [n, n])));
  write(folder, {
    '.gitignore': ['# comment', '*.log', '!keep.log', 'logs/', '/build', 'doc/*.txt', 'x/**/end.tmp', 'q?.dat', 'file\\[1\\].txt', 'f[0-5].set', 'f[!0-9].set', '\\#sharp', '\\!loud', 'space\\ ', '/top.txt', '**/cache/', 'ä/ü.txt', ''].join('\n'),
    'sub/.gitignore': 'only.txt\r\n!a.log\r\n',
  });
  execFileSync('git', ['init', '-q', folder]);
  const git = execFileSync('git', ['-C', folder, 'ls-files', '-o', '--exclude-standard', '-z'], { encoding: 'utf8' }).split('\0').filter(Boolean).sort();
  for (const kind of kinds) assert.deepEqual(Object.keys(await sent(kind, folder, `ignored-${kind}`)).sort(), git, kind);
});

test('files arrive as they are: long and foreign names, rights, sizes; links that lead out and secrets stay here', async () => {
  const folder = join(toolkits.folder, 'archived');
  const long = `${'d'.repeat(60)}/${'e'.repeat(80)}/${'f'.repeat(120)}.txt`;
  write(folder, {
    'server.js': '1', [long]: 'long', '汉字/ø.txt': 'foreign', 'empty.txt': '', 'big.bin': 'x'.repeat(3_000_000), 'block.bin': 'y'.repeat(1024), 'run.sh': '#!/bin/sh\n', '.env': 'SECRET=1', '.env.local': 'SECRET=2', '.env.example': 'SECRET=', 'node_modules/a/index.js': '1', '.venv/x': '1', 'pkg/__pycache__/a.pyc': '1', '.git/config': '1', 'sub/.npmrc': 'token',
    [`${'n'.repeat(99)}/${'m'.repeat(99)}`]: 'prefix',
  });
  chmodSync(join(folder, 'run.sh'), 0o755);
  symlinkSync('run.sh', join(folder, 'same.sh'));
  symlinkSync('/etc/hostname', join(folder, 'out.txt'));
  symlinkSync('..', join(folder, 'loop'));
  const [a, b] = await Promise.all(kinds.map(kind => sent(kind, folder, `archived-${kind}`)));
  assert.deepEqual(b, a);
  assert.deepEqual(Object.keys(a).sort(), ['.env.example', 'big.bin', 'block.bin', long, 'empty.txt', `${'n'.repeat(99)}/${'m'.repeat(99)}`, 'run.sh', 'same.sh', 'server.js', '汉字/ø.txt'].sort());
  assert.equal(a['big.bin'].size, 3_000_000);
  assert.equal(a['汉字/ø.txt'].text, 'foreign');
  assert.deepEqual([a['run.sh'].executable, a['same.sh'].executable, a['server.js'].executable], [true, true, false]);
});

test('.mcpcanignore takes the place of .gitignore, and can bring back what is always left out', async () => {
  const folder = join(toolkits.folder, 'own');
  write(folder, { 'server.js': '1', 'dist/a.js': '1', 'notes.md': '1', '.env': 'A=1', '.gitignore': 'dist/\n', '.mcpcanignore': '*.md\n!.env\n' });
  for (const kind of kinds) assert.deepEqual(Object.keys(await sent(kind, folder, `own-${kind}`)).sort(), ['.env', '.gitignore', '.mcpcanignore', 'dist/a.js', 'server.js']);
});

test('an empty folder is refused', async () => {
  const folder = join(toolkits.folder, 'empty');
  mkdirSync(join(folder, 'node_modules/x'), { recursive: true });
  const { code, err } = await toolkits.both(['deploy', folder]);
  assert.equal(code, 1);
  assert.match(err, /nothing to deploy/);
});
