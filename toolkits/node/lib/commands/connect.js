import { hostname } from 'node:os';
import { Api } from '../api.js';
import { Bridge } from '../bridge.js';
import { warn } from '../output.js';
import { address as checked } from '../settings.js';

const day = 86_400_000;

export default {
  name: 'connect',
  args: ['instance'],
  summary: 'Connect a client that speaks only stdio to a server: JSON-RPC on standard input and output',
  more: [
    'INSTANCE may also be an address, with --token or MCPCAN_TOKEN; then no API key is needed.',
    'Without a token, one is made with the API key for as long as the connection lasts (24 hours at most, then a new one).',
  ],
  options: { token: { value: 'TOKEN', help: 'token of the gateway (mct_…); better in MCPCAN_TOKEN' } },
  async run(options, [name]) {
    const token = options.token ?? process.env.MCPCAN_TOKEN;
    const target = /^https?:\/\//.test(name) ? { address: checked(name), token } : await managed(name, token);
    const bridge = new Bridge({ ...target, write: line => process.stdout.write(line), warn });
    const end = () => process.stdin.destroy();
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, end);
    try { await bridge.run(process.stdin); } catch (error) { if (!process.stdin.destroyed) throw error; } finally {
      await bridge.close();
      await target.release?.();
    }
  },
};

async function managed(name, token) {
  const api = new Api();
  const instance = await api.instance(name);
  const address = api.address(instance);
  if (token) return { address, token };
  let made = await make();
  return {
    address, token: made.value,
    renewToken: async () => (made = await make()).value,
    release: () => api.call('DELETE', `/tokens/${made.id}`).catch(() => {}),
  };

  function make() {
    return api.call('POST', '/tokens', { name: `connect ${hostname()}`.slice(0, 100).trim(), instances: [instance.id], expiresAt: new Date(Date.now() + day).toISOString() });
  }
}
