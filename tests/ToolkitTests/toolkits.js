// Builds and installs both toolkits as a person does, and runs them side by side.
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Product, until } from '../ClientTests/product.js';

const root = resolve(import.meta.dirname, '../..');
export const kinds = ['node', 'python'];

export class Toolkits {
  static async start() {
    const it = new Toolkits();
    it.folder = mkdtempSync(join(tmpdir(), 'mcpcan-toolkits-'));
    execFileSync(join(root, 'script/toolkits'), { stdio: 'pipe' });
    const built = join(root, 'artifacts/toolkits');
    const file = end => join(built, readdirSync(built).find(f => f.endsWith(end)));
    execFileSync('npm', ['install', '-g', '--offline', '--no-audit', '--no-fund', '--silent', '--prefix', join(it.folder, 'npm'), file('.tgz')], { stdio: 'pipe' });
    execFileSync('/usr/bin/python3', ['-m', 'venv', join(it.folder, 'venv')], { stdio: 'pipe' });
    execFileSync(join(it.folder, 'venv/bin/pip'), ['install', '--quiet', '--no-index', '--disable-pip-version-check', file('.whl')], { stdio: 'pipe' });
    it.programs = { node: join(it.folder, 'npm/bin/mcpcan'), python: join(it.folder, 'venv/bin/mcpcan') };
    it.product = await Product.start();
    return it;
  }

  async dispose() {
    await this.product?.dispose();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The environment of a person who is signed in by variables, with a configuration folder of this kind's own. */
  env(kind, more = {}) {
    const { MCPCAN_TOKEN, ...rest } = process.env;
    return { ...rest, XDG_CONFIG_HOME: join(this.folder, `config-${kind}`), MCPCAN_URL: this.product.url, MCPCAN_API_KEY: this.product.key, ...more };
  }

  /** Runs a command to its end: { code, out, err }. */
  run(kind, args, { env = {}, input = '', cwd } = {}) {
    return new Promise(done => {
      const process = execFile(this.programs[kind], args, { env: this.env(kind, env), cwd, timeout: 180_000, maxBuffer: 64 << 20 }, (error, out, err) => done({ code: error ? error.code ?? -1 : 0, out, err }));
      process.stdin.on('error', () => {}); // it may end before it has read
      process.stdin.end(input);
    });
  }

  /** Runs a command that must succeed, and answers what it printed. */
  async ok(kind, args, options) {
    const { code, out, err } = await this.run(kind, args, options);
    assert.equal(code, 0, `${kind}: mcpcan ${args.join(' ')}\n${out}${err}`);
    return out;
  }

  async json(kind, args, options) { return JSON.parse(await this.ok(kind, [...args, '--json'], options)); }

  /** Runs the same in both; exit codes and outputs must be the same but for what differs from run to run. `args` may depend on the kind. */
  async both(args, options = {}) {
    const [a, b] = await Promise.all(kinds.map(kind => this.run(kind, typeof args === 'function' ? args(kind) : args, typeof options === 'function' ? options(kind) : options)));
    assert.deepEqual(this.#neutral(b, 'python'), this.#neutral(a, 'node'));
    return a;
  }

  #neutral({ code, out, err }, kind) {
    const clean = text => text.replaceAll(join(this.folder, `work-${kind}`), 'WORK').replaceAll(`config-${kind}`, 'CONFIG').replaceAll(`-${kind}`, '-KIND')
      .replace(/mct_[\w-]+/g, 'TOKEN').replace(/\b([ipdt])-[a-z0-9]{12}\b/g, '$1-ID').replace(/\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)/g, 'TIME').replace(/\d+ (bytes|KiB) packed/g, 'SIZE packed').replace(/"(durationMs|seconds)": [\d.]+/g, '"$1": N');
    // Columns are as wide as the names, and which phases are seen is a matter of the moment.
    return { code, out: clean(out).replace(/(\S) {2,}(?=\S)/g, '$1  '), err: settled(clean(err).replace(/^ {2}Starting.*\n/gm, '')) };
  }

  /** A copy of an example for this kind. */
  example(kind, name) {
    const folder = join(this.folder, `work-${kind}`, `${name}-${kind}`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(join(this.folder, `work-${kind}`), { recursive: true });
    cpSync(join(import.meta.dirname, 'examples', name), folder, { recursive: true });
    if (name === 'python') wheel(join(folder, 'wheels'));
    return folder;
  }

  /** Starts a command that goes on: { text(), end(signal) }. */
  follow(kind, args, options = {}) {
    const process = spawn(this.programs[kind], args, { env: this.env(kind), stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let text = '';
    for (const stream of [process.stdout, process.stderr]) stream.setEncoding('utf8').on('data', part => { text += part; });
    const exited = new Promise(done => process.once('exit', code => done(code)));
    return {
      text: () => text,
      shows: (form, seconds = 60) => until(() => `${kind} shows ${form}; it shows:\n${text}`, seconds, async () => form.test(text)),
      end: signal => { process.kill(signal); return exited; },
    };
  }
}

/** Lines of a server's log come from several processes: in which order, and how many of its children had the time to say the same, is a matter of the moment. */
const settled = text => text.replace(/(^ {2}.*\n)+/gm, block => [...new Set(block.match(/.*\n/g))].sort().join(''));

/** A package for pip, made by hand: a wheel is a zip archive with three files of metadata. */
function wheel(folder) {
  mkdirSync(folder);
  const script = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1] + "/greeter-1.0-py3-none-any.whl", "w") as z:
    z.writestr("greeter.py", "def greet(name):\\n    return f'hello {name}'\\n")
    z.writestr("greeter-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: greeter\\nVersion: 1.0\\n")
    z.writestr("greeter-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    z.writestr("greeter-1.0.dist-info/RECORD", "greeter.py,,\\ngreeter-1.0.dist-info/METADATA,,\\ngreeter-1.0.dist-info/WHEEL,,\\ngreeter-1.0.dist-info/RECORD,,\\n")
`;
  execFileSync('/usr/bin/python3', ['-c', script, folder]);
}

export const write = (folder, files) => {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
};
