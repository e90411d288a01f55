// start, stop and restart: the same but for the word.
import { Api } from './api.js';
import { number } from './args.js';
import { result, say } from './output.js';
import { mark, running, until } from './wait.js';

export const turn = (name, summary, done) => ({
  name,
  args: ['instance'],
  summary,
  options: {
    'no-wait': { help: 'do not wait for the end of it' },
    timeout: { value: 'SECONDS', help: 'how long to wait (600)' },
  },
  async run(options, [instance]) {
    const timeout = number(options.timeout, '--timeout', 600);
    const api = new Api();
    const found = await api.instance(instance);
    const after = await mark(api, found.id);
    let now = await api.call('POST', `/instances/${found.id}/${name}`);
    if (!options['no-wait']) now = name === 'stop' ? await stopped(api, found.id, timeout) : await running(api, found.id, timeout, after);
    say(options['no-wait'] ? `'${found.name}': ${now.status.state}.` : `'${found.name}' ${done}.`);
    result({ instance: found.id, state: now.status.state });
  },
});

const stopped = (api, id, timeout) => until(timeout, 'It goes on meanwhile.', async () => {
  const now = await api.get(`/instances/${id}`);
  return now.status.state === 'Stopped' ? now : null;
});
