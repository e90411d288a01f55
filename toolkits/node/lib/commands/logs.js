import { Api } from '../api.js';
import { number } from '../args.js';
import { output, plain, say } from '../output.js';
import { interrupted } from '../signals.js';

export default {
  name: 'logs',
  args: ['instance'],
  summary: "Show a server's log",
  options: {
    follow: { short: 'f', help: 'go on with new lines as they come; Ctrl-C ends' },
    tail: { value: 'N', help: 'only the last N lines (100)' },
    stream: { value: 'NAME', help: 'only stdout, stderr, install or bridge' },
  },
  async run(options, [name]) {
    const tail = number(options.tail, '--tail', 100);
    const api = new Api();
    const instance = await api.instance(name);
    const query = { tail, ...(options.stream ? { stream: options.stream } : {}), ...(options.follow ? { follow: 'true' } : {}) };
    await interrupted(async signal => {
      for await (const line of api.logs(instance.id, query, signal)) {
        if (output.json) process.stdout.write(JSON.stringify(line) + '\n');
        else say(text(line));
      }
    });
  },
};

export const text = line => `${line.t.slice(0, 19)}Z ${line.stream.padEnd(7)} ${plain(line.msg)}`;
