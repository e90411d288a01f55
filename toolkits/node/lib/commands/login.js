import { Api } from '../api.js';
import { usage } from '../errors.js';
import { note, result, say } from '../output.js';
import { ask, atTerminal, piped } from '../prompt.js';
import { address, file, keep, stored } from '../settings.js';

export default {
  name: 'login',
  summary: 'Sign in with an address and an API key, and keep them for this user',
  more: ['Make a key in the console (Settings, API keys) or with `mcpcan api-key create` on the server.', 'Where there is no terminal, the key is read from --api-key, MCPCAN_API_KEY, or the first line of standard input.'],
  options: {
    url: { value: 'URL', help: 'address of MCPCAN' },
    'api-key': { value: 'KEY', help: 'API key (mck_…); better piped in than written here' },
  },
  async run(options) {
    const asks = atTerminal();
    const known = options.url ?? process.env.MCPCAN_URL ?? stored().url;
    let url = options.url ?? process.env.MCPCAN_URL;
    if (!url && asks) url = (await ask(`Address of MCPCAN [${known ?? 'http://127.0.0.1:7300'}]: `)) || known || 'http://127.0.0.1:7300';
    url ??= known;
    if (!url) throw usage('Which MCPCAN? Give --url URL, for example --url http://127.0.0.1:7300');
    url = address(url);
    let key = options['api-key'] ?? process.env.MCPCAN_API_KEY;
    if (!key) key = asks ? await ask('API key: ', { hidden: true }) : await piped();
    if (!key) throw usage('No API key was given. Pipe it in, give --api-key KEY, or set MCPCAN_API_KEY.');
    const me = await new Api({ url, key }).get('/me');
    keep({ url, apiKey: key });
    note(`Kept in ${file()}`);
    say(`Signed in at ${url} as ${me.name} (${me.role}).`);
    result({ url, name: me.name, role: me.role, rights: me.rights, file: file() });
  },
};
