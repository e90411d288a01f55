// Starts MCPCAN as a person does and drives it by its public API only.
// With MCPCAN_URL and MCPCAN_API_KEY set, tests that need no restart use that installation instead.
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const root = resolve(import.meta.dirname, '../..');
// What script/build made, and not ./mcpcan: that would build in the middle of a test when a source changes.
const program = join(root, 'artifacts/server/mcpcan');
const env = { MCPCAN_BRIDGE_PATH: join(root, 'artifacts/bridge/mcpcan-bridge'), ...process.env };

export class Product {
  static async start() {
    const product = new Product();
    if (process.env.MCPCAN_URL) {
      product.url = process.env.MCPCAN_URL;
      product.key = process.env.MCPCAN_API_KEY;
      return product;
    }
    product.data = mkdtempSync(join(tmpdir(), 'mcpcan-'));
    product.port = await freePort();
    product.url = `http://127.0.0.1:${product.port}`;
    await product.serve();
    product.key = execFileSync(program, ['api-key', 'create', '--name', 'tests', '--role', 'admin', '--data', product.data], { encoding: 'utf8', env }).trim();
    return product;
  }

  /** Starts the server on the same data folder and port, and waits until it is ready. */
  async serve() {
    const log = openSync(join(this.data, 'server.out'), 'a');
    this.process = spawn(program, ['serve', '--port', String(this.port), '--data', this.data], { stdio: ['ignore', log, log], env });
    closeSync(log);
    this.exited = new Promise(done => this.process.once('exit', (code, signal) => done({ code, signal })));
    await until(`MCPCAN is ready (log: ${this.data}/server.out)`, 60, async () => {
      if (this.process.exitCode !== null) throw new Stop(`MCPCAN ended with code ${this.process.exitCode}:\n${this.log()}`);
      return (await fetch(`${this.url}/readyz`)).ok;
    });
  }

  log() { return readFileSync(join(this.data, 'server.out'), 'utf8').slice(-4000); }

  /** Sends the signal and waits for the end; answers the seconds that it took. */
  async signal(name) {
    const begin = performance.now();
    this.process.kill(name);
    await Promise.race([this.exited, sleep(30_000, undefined, { ref: false }).then(() => { throw new Error(`MCPCAN did not end within 30 s after ${name}:\n${this.log()}`); })]);
    return (performance.now() - begin) / 1000;
  }

  /** Ends MCPCAN with its workloads and removes the data folder. */
  async dispose() {
    if (!this.process) return;
    if (this.process.exitCode === null && this.process.signalCode === null) await this.signal('SIGINT');
    if (!process.env.MCPCAN_KEEP) rmSync(this.data, { recursive: true, force: true });
  }

  async fetch(method, path, body, headers = {}) {
    const form = body instanceof FormData;
    return await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${this.key}`, ...(body && !form ? { 'Content-Type': 'application/json' } : {}), ...headers },
      body: body && !form ? JSON.stringify(body) : body,
    });
  }

  /** Calls the API; throws with the problem's text when it refuses. */
  async api(method, path, body) {
    const response = await this.fetch(method, path, body);
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  /** Creates a managed instance; `mark` is an environment variable by which its processes are found. */
  async create(name, source, more = {}) {
    const mark = `mark-${name}-${process.pid}-${Date.now()}`;
    const instance = await this.api('POST', '/instances', {
      name, mode: 'managed', source, start: true, ...more, env: { TEST_MARK: mark, ...more.env },
    });
    return { ...instance, mark };
  }

  async createCommand(name, command, ...args) { return await this.running(await this.create(name, { type: 'command', command, args })); }

  async instance(id) { return await this.api('GET', `/instances/${id}`); }

  /** Waits for one of the states; a state that it cannot leave by itself ends the wait. */
  async state(instance, wanted, seconds = 90) {
    let seen;
    await until(() => `${instance.name} is ${wanted}; it is ${JSON.stringify(seen?.status)}`, seconds, async () => {
      seen = await this.instance(instance.id);
      if (wanted !== 'Failed' && seen.status.state === 'Failed') throw new Stop(`${instance.name} failed: ${JSON.stringify(seen.status)}`);
      return seen.status.state === wanted;
    });
    return { ...instance, ...seen };
  }

  async running(instance, seconds) { return await this.state(instance, 'Running', seconds); }

  async delete(instance) {
    await this.api('DELETE', `/instances/${instance.id}`);
    await until(`${instance.name} is gone`, 30, async () => (await this.fetch('GET', `/instances/${instance.id}`)).status === 404);
  }

  async token(instances, more = {}) {
    return await this.api('POST', '/tokens', { name: 'client', instances: instances === '*' ? '*' : instances.map(i => i.id), ...more });
  }

  async upload(file, bytes) {
    const form = new FormData();
    form.append('file', new Blob([bytes]), file);
    return await this.api('POST', '/packages', form);
  }

  address(instance, transport = 'http') {
    return new URL(transport === 'sse' ? instance.address.sse : instance.address.streamableHttp, this.url);
  }

  async logs(instance, query = '') {
    const response = await this.fetch('GET', `/instances/${instance.id}/logs${query}`);
    return (await response.text()).split('\n').filter(Boolean).map(line => JSON.parse(line));
  }

  /** Connects the official client. */
  async connect(instance, token, { transport = 'http', capabilities = {}, name = 'mcpcan-tests', prepare } = {}) {
    const client = new Client({ name, version: '1.0.0' }, { capabilities });
    prepare?.(client);
    const requestInit = { headers: { Authorization: `Bearer ${token.value}` } };
    const address = this.address(instance, transport);
    await client.connect(transport === 'sse'
      ? new SSEClientTransport(address, { requestInit, eventSourceInit: { fetch: (url, init) => fetch(url, { ...init, headers: { ...init?.headers, ...requestInit.headers } }) } })
      : new StreamableHTTPClientTransport(address, { requestInit, reconnectionOptions: { initialReconnectionDelay: 300, maxReconnectionDelay: 1000, reconnectionDelayGrowFactor: 1.2, maxRetries: 100 } }));
    return client;
  }
}

/** Processes (pids) that carry the mark in their environment. */
export function marked(mark) {
  return readdirSync('/proc').filter(pid => /^\d+$/.test(pid)).filter(pid => {
    try { return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(mark) && readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1][0] !== 'Z'; } catch { return false; }
  }).map(Number);
}

/** Processes whose command line names the text. */
export function named(text) {
  return readdirSync('/proc').filter(pid => /^\d+$/.test(pid)).filter(pid => {
    try { return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(text); } catch { return false; }
  }).map(Number);
}

export const text = result => result.content.map(c => c.text ?? '').join('');

class Stop extends Error {}

/** Polls until the condition holds. What it throws counts as "not yet". */
export async function until(what, seconds, condition) {
  const end = performance.now() + seconds * 1000;
  for (let last; ; await sleep(100)) {
    try { if (await condition()) return; } catch (error) { if (error instanceof Stop) throw error; last = error; }
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${typeof what === 'function' ? what() : what}${last ? ` (${last.message})` : ''}`);
  }
}

export function freePort() {
  return new Promise((done, fail) => {
    const server = createServer().once('error', fail).listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}
