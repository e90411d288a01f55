import { Api } from '../api.js';
import { result, say } from '../output.js';

export default {
  name: 'whoami',
  summary: 'Say who is signed in, and where',
  async run() {
    const api = new Api();
    const me = await api.get('/me');
    say(`${me.name} (${me.role}) at ${api.url}`);
    result({ url: api.url, ...me });
  },
};
