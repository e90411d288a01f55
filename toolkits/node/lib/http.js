// One HTTP request by Node's own client. No time limit of its own: logs and event streams may be silent for long.
import http from 'node:http';
import https from 'node:https';
import { exits, Failure } from './errors.js';

/** Answers the response with its body as a stream. `body` is a text, bytes, or a stream with `length` told. */
export function request(method, url, { headers = {}, body, length, signal } = {}) {
  return new Promise((done, fail) => {
    const sent = { 'User-Agent': 'mcpcan-cli/0.1.0', ...headers };
    if (typeof body === 'string') body = Buffer.from(body);
    if (body !== undefined) sent['Content-Length'] = length ?? body.length;
    else if (method !== 'GET') sent['Content-Length'] = 0;
    const call = (url.startsWith('https:') ? https : http).request(url, { method, headers: sent, signal }, done);
    call.on('error', error => fail(signal?.aborted ? error : unreachable(url, error)));
    if (body?.pipe) body.on('error', error => call.destroy(error)).pipe(call);
    else call.end(body);
  });
}

export async function text(response) {
  const parts = [];
  for await (const part of response) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

/** The lines of a stream, as they come. */
export async function* lines(stream) {
  let rest = '';
  stream.setEncoding('utf8');
  for await (const part of stream) {
    const all = (rest + part).split('\n');
    rest = all.pop();
    yield* all;
  }
  if (rest) yield rest;
}

const reasons = {
  ECONNREFUSED: 'the connection was refused', ENOTFOUND: 'the host name is not known', EAI_AGAIN: 'the host name is not known', ECONNRESET: 'the connection was cut',
  ETIMEDOUT: 'it does not answer', EHOSTUNREACH: 'the host is not reached', ENETUNREACH: 'the network is not reached',
};

function unreachable(url, error) {
  const reason = reasons[error.code ?? error.errors?.[0]?.code] ?? error.message;
  return new Failure(`MCPCAN is not reached at ${new URL(url).origin}: ${reason}. Check the address, and that it runs.`, { exit: exits.unreachable, code: 'unreachable' });
}
