// A client that speaks only stdio, and a server behind Streamable HTTP: each line of the one is a POST to the other.
//
//   stdin ── one JSON-RPC message a line ──> POST ──> JSON or event stream ─┐
//   stdout <── one message a line ──────────────────────────────────────────┴── GET (what the server sends by itself)
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { exits } from './errors.js';
import { lines, request, text } from './http.js';
import { events } from './sse.js';

const patience = 30_000; // for a server that is just starting, and for answers after the end of stdin
const meta = 'io.modelcontextprotocol/protocolVersion';

export class Bridge {
  #address; #token; #renewToken; #write; #warn;
  #session; #version; #opening; #renewing;
  #pending = new Map(); // what is on its way, with the id of its request
  #end = new AbortController();
  #listening = Promise.resolve();
  #listenStop;

  /** @param renewToken answers a new token when the old one has ended, or null */
  constructor({ address, token, renewToken = async () => null, write, warn }) {
    this.#address = address;
    this.#token = token;
    this.#renewToken = renewToken;
    this.#write = line => write(line.replace(/[\r\n]+/g, ' ') + '\n');
    this.#warn = warn;
    setMaxListeners(0, this.#end.signal); // one for each request on its way
  }

  /** Carries messages until the input ends. */
  async run(input) {
    for await (const line of lines(input)) if (line.trim()) await this.#take(line.trim());
    await Promise.race([Promise.allSettled(this.#pending.keys()), sleep(patience, undefined, { ref: false })]);
    await this.close();
  }

  async close() {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    await this.#listening;
    if (this.#session) await this.#send('DELETE', { signal: AbortSignal.timeout(3000) }).then(r => r.resume(), () => {});
  }

  async #take(line) {
    let message;
    try { message = JSON.parse(line); } catch { return this.#refuse(null, -32700, 'Parse error: this line is not valid JSON.'); }
    if (typeof message !== 'object' || message === null) return this.#refuse(null, -32600, 'Invalid request: this line is no JSON-RPC message.');
    if (message.method === 'initialize') [this.#opening, this.#session, this.#version] = [line, undefined, undefined];
    const sent = this.#post(line, message);
    this.#pending.set(sent, message.id);
    sent.finally(() => this.#pending.delete(sent));
    if (message.method === 'notifications/cancelled') { // its answer need not be waited for
      for (const [other, id] of this.#pending) if (id !== undefined && id === message.params?.requestId) this.#pending.delete(other);
    }
    // What follows needs the session; all else may go side by side, so that a long call holds up nothing.
    if (message.method === 'initialize' || message.method === 'notifications/initialized') await sent;
    if (message.method === 'notifications/initialized') this.#listen();
  }

  async #post(line, message) {
    const wanted = message.method !== undefined && message.id !== undefined ? message.id : undefined;
    try {
      const response = await this.#deliver(line, message);
      if (message.method === 'initialize') this.#session = response.headers['mcp-session-id'];
      await this.#answer(response, wanted, reply => {
        if (message.method === 'initialize') this.#version = reply.result?.protocolVersion;
      });
    } catch (error) {
      if (this.#end.signal.aborted) return;
      if (wanted === undefined) this.#warn(error.message);
      else this.#refuse(wanted, -32000, error.message);
    }
  }

  #refuse(id, code, message) { this.#write(JSON.stringify({ jsonrpc: '2.0', id, error: { code, message } })); }

  /** Sends until the server takes it: it may just be starting, or have forgotten the session. @param own the session to use in place of the present one, null for none */
  async #deliver(line, message, own) {
    const until = performance.now() + patience;
    for (let renewed = own !== undefined; ;) {
      const session = own === undefined ? this.#session : own;
      let response;
      try { response = await this.#send('POST', { body: line, message, session }); } catch (error) {
        if (error.exit !== exits.unreachable || !/refused/.test(error.message) || performance.now() > until) throw error;
        await sleep(500, undefined, { signal: this.#end.signal });
        continue;
      }
      const status = response.statusCode;
      if (status < 300) return response;
      const body = await text(response);
      if (status === 503 && performance.now() < until) {
        await sleep(Math.min(Number(response.headers['retry-after']) || 0.3, 1) * 1000, undefined, { signal: this.#end.signal });
      } else if (status === 404 && session && this.#opening && !renewed) {
        renewed = true;
        await this.#renew(session);
      } else if (status === 401 && !renewed && (this.#token = (await this.#renewToken()) ?? this.#token)) {
        renewed = true;
      } else {
        throw new Error(refusal(status, body));
      }
    }
  }

  /** A new session in place of one that is gone; the client need not know. */
  async #renew(old) {
    if (this.#session !== old) return; // somebody else was quicker
    this.#renewing ??= this.#reopen().finally(() => { this.#renewing = null; });
    await this.#renewing;
  }

  async #reopen() {
    const response = await this.#deliver(this.#opening, JSON.parse(this.#opening), null);
    const body = await text(response);
    const session = response.headers['mcp-session-id'];
    this.#version = (/"protocolVersion"\s*:\s*"([^"]+)"/.exec(body) ?? [])[1] ?? this.#version;
    const initialized = { jsonrpc: '2.0', method: 'notifications/initialized' };
    (await this.#deliver(JSON.stringify(initialized), initialized, session)).resume();
    this.#session = session;
    this.#listen();
  }

  /** Writes what a response carries. An event stream that is cut is asked for again. */
  async #answer(response, wanted, seen) {
    if (!/^text\/event-stream/.test(response.headers['content-type'] ?? '')) {
      const body = await text(response);
      if (body.trim()) {
        seen(JSON.parse(body));
        this.#write(body);
      }
      return;
    }
    let last, wait = 500;
    for (let tries = 0; ; tries++) {
      try {
        for await (const event of events(response)) {
          [last, wait] = [event.id ?? last, event.retry ?? wait];
          if (!event.data.trim()) continue;
          const reply = JSON.parse(event.data);
          const done = wanted !== undefined && reply.id === wanted && reply.method === undefined;
          if (done) seen(reply);
          this.#write(event.data);
          if (done) wanted = undefined;
        }
      } catch (error) {
        if (!last || this.#end.signal.aborted) throw error;
      }
      if (wanted === undefined) return;
      if (!last || tries >= 20) throw new Error('The connection ended before the answer came.');
      await sleep(wait, undefined, { signal: this.#end.signal });
      response = await this.#send('GET', { headers: { 'Last-Event-ID': last } });
      if (response.statusCode !== 200) throw new Error(refusal(response.statusCode, await text(response)));
    }
  }

  /** The stream of what the server sends by itself; servers may have none. */
  #listen() {
    this.#listenStop?.abort();
    const stop = this.#listenStop = new AbortController();
    this.#end.signal.addEventListener('abort', () => stop.abort());
    const session = this.#session;
    this.#listening = (async () => {
      let last, wait = 1000;
      while (!stop.signal.aborted) {
        try {
          const response = await this.#send('GET', { headers: last ? { 'Last-Event-ID': last } : {}, signal: stop.signal, session });
          if (response.statusCode !== 200 && response.statusCode !== 503) { response.resume(); return; }
          for await (const event of events(response)) {
            [last, wait] = [event.id ?? last, event.retry ?? wait];
            if (response.statusCode === 200 && event.data.trim()) this.#write(event.data);
          }
        } catch { /* cut: asked for again below */ }
        await sleep(wait, undefined, { signal: stop.signal }).catch(() => {});
      }
    })();
  }

  #send(method, { body, message, headers = {}, signal = this.#end.signal, session = this.#session } = {}) {
    const version = message?.params?._meta?.[meta];
    return request(method, this.#address, {
      body, signal,
      headers: {
        ...headers,
        Accept: method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream',
        ...(body ? { 'Content-Type': 'application/json' } : {}),
        ...(this.#token ? { Authorization: `Bearer ${this.#token}` } : {}),
        ...(session ? { 'Mcp-Session-Id': session } : {}),
        ...(version ? modern(version, message) : this.#version ? { 'MCP-Protocol-Version': this.#version } : {}),
      },
    });
  }
}

/** The headers of a message of revision 2026-07-28 or later, which repeat what it says. */
function modern(version, { method, params }) {
  const name = { 'tools/call': params.name, 'prompts/get': params.name, 'resources/read': params.uri }[method];
  return { 'MCP-Protocol-Version': version, ...(method ? { 'Mcp-Method': encode(method) } : {}), ...(name ? { 'Mcp-Name': encode(name) } : {}) };
}

const encode = text => (/^[!-~]([ -~]*[!-~])?$/.test(text) && !/^=\?base64\?/i.test(text) ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`);

function refusal(status, body) {
  let said;
  try { said = JSON.parse(body); } catch { /* not JSON */ }
  const reason = said?.error?.message ?? said?.detail ?? said?.title;
  const fix = status === 401 ? ' The token is not valid: give another with --token or MCPCAN_TOKEN.' : '';
  return `The server refused the message (${status})${reason ? `: ${reason}` : '.'}${fix}`;
}
