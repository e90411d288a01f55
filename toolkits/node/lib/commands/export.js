import { writeFileSync } from 'node:fs';
import { Api } from '../api.js';
import { note, result, say } from '../output.js';

export default {
  name: 'export',
  summary: 'Write what there is in the form of `mcpcan apply`',
  more: ['Secrets are not part of it: they stand as { "secret": true }, which keeps what is stored.'],
  options: { file: { short: 'f', value: 'FILE', help: 'where to write it; standard output unless given' } },
  async run(options) {
    const state = await new Api().get('/state');
    if (!options.file) say(JSON.stringify(state, null, 2));
    else {
      writeFileSync(options.file, JSON.stringify(state, null, 2) + '\n');
      note(`Written to ${options.file}`);
    }
    result(state);
  },
};
