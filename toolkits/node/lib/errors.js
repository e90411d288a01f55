// What goes wrong, in words for people, and the exit code that says it to scripts.

export const exits = { ok: 0, failed: 1, usage: 2, denied: 3, notFound: 4, timeout: 5, unreachable: 6 };

export class Failure extends Error {
  /** @param lines more lines below the message: fields that are wrong, last lines of a log */
  constructor(message, { exit = exits.failed, code = 'failed', lines = [], errors } = {}) {
    super(message);
    Object.assign(this, { exit, code, lines, errors });
  }
}

export const usage = message => new Failure(message, { exit: exits.usage, code: 'usage' });

export const timedOut = message => new Failure(message, { exit: exits.timeout, code: 'timeout' });

/** From an answer with problem details (RFC 9457), or whatever else was answered. */
export function problem(status, text, url) {
  let body = {};
  try { body = JSON.parse(text) ?? {}; } catch { /* no problem details: a proxy's page, for example */ }
  const exit = status === 401 || status === 403 ? exits.denied : status === 404 ? exits.notFound : exits.failed;
  let message = body.detail ?? body.title ?? `${url} answered ${status}. Is that the address of MCPCAN?`;
  if (status === 401) message = `The API key is not valid at ${url}. Sign in with: mcpcan login`;
  const lines = Object.entries(body.errors ?? {}).flatMap(([field, texts]) => [texts].flat().filter(t => !message.includes(t)).map(t => `${field}: ${t}`));
  return Object.assign(new Failure(message, { exit, code: body.code ?? `http-${status}`, lines, errors: body.errors }), { status });
}
