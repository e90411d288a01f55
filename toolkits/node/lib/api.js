// The management API, and how an instance is named.
import { exits, Failure, problem } from './errors.js';
import { lines, request, text } from './http.js';
import { current } from './settings.js';

export class Api {
  constructor({ url, key } = current()) { Object.assign(this, { url, key }); }

  async send(method, path, { json, body, length, headers, signal } = {}) {
    const response = await request(method, `${this.url}/api/v1${path}`, {
      headers: { Authorization: `Bearer ${this.key}`, ...(json === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
      body: json === undefined ? body : JSON.stringify(json), length, signal,
    });
    if (response.statusCode >= 300) throw problem(response.statusCode, await text(response), this.url);
    return response;
  }

  /** A call with JSON in both directions. */
  async call(method, path, json) {
    const answer = await text(await this.send(method, path, { json }));
    if (!answer) return null;
    try { return JSON.parse(answer); } catch {
      throw new Failure(`${this.url} does not answer as MCPCAN does. Check the address.`, { code: 'not-mcpcan' });
    }
  }

  get(path) { return this.call('GET', path); }

  /** All entries of a list, page by page. */
  async all(path) {
    const items = [];
    for (let cursor = null; ;) {
      const page = await this.get(`${path}${path.includes('?') ? '&' : '?'}limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
      items.push(...page.items);
      cursor = page.next;
      if (!cursor) return items;
    }
  }

  /** An instance by slug, id or name; null when there is none. */
  async find(name) {
    try { return await this.get(`/instances/${encodeURIComponent(name)}`); } catch (error) { if (error.status !== 404) throw error; }
    const named = (await this.all(`/instances?search=${encodeURIComponent(name)}`)).filter(i => i.name === name);
    if (named.length > 1) throw new Failure(`Several servers are called '${name}'. Use the address name of one: ${named.map(i => i.slug).join(', ')}.`, { code: 'ambiguous' });
    return named[0] ?? null;
  }

  async instance(name) {
    const found = await this.find(name);
    if (!found) throw new Failure(`There is no server '${name}'. See: mcpcan list`, { exit: exits.notFound, code: 'not-found' });
    return found;
  }

  async* logs(id, query, signal) {
    const response = await this.send('GET', `/instances/${id}/logs?${new URLSearchParams(query)}`, { signal });
    for await (const line of lines(response)) if (line.trim()) yield JSON.parse(line);
  }

  /** Where clients reach it. */
  address(instance) { return new URL(instance.address.streamableHttp, this.url).href; }

  console(instance) { return `${this.url}/instances/${instance.id}`; }
}
