// Server-sent events (HTML standard, 9.2): { id, data, retry } as they come.
import { lines } from './http.js';

export async function* events(stream) {
  let event = { data: [] };
  for await (const raw of lines(stream)) {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (line === '') {
      if (event.data.length > 0 || event.id !== undefined) yield { id: event.id, retry: event.retry, data: event.data.join('\n') };
      event = { data: [] };
      continue;
    }
    const at = line.indexOf(':');
    const [field, value] = at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1).replace(/^ /, '')];
    if (field === 'data') event.data.push(value);
    else if (field === 'id') event.id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) event.retry = Number(value);
  }
}
