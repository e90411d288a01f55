import { Api } from '../api.js';
import { exits, Failure, usage } from '../errors.js';
import { note, result, say, table } from '../output.js';

export default {
  name: 'token',
  args: ['create|list|delete', 'name?'],
  summary: 'Make, list and delete the tokens of MCP clients',
  options: {
    instance: { value: 'INSTANCE', many: true, help: 'server that the token opens; \'*\' for all' },
    expires: { value: 'WHEN', help: 'end: 12h, 30d, or a time like 2027-01-31T00:00:00Z' },
    tool: { value: 'NAME', many: true, help: 'only this tool; * stands for any characters' },
  },
  async run(options, [action, name]) {
    const run = { create, list, delete: remove }[action];
    if (!run) throw usage(`'token' does create, list or delete, not '${action}'.`);
    if (action !== 'list' && !name) throw usage(`Which token? mcpcan token ${action} NAME`);
    await run(new Api(), options, name);
  },
};

async function create(api, options, name) {
  const wanted = options.instance ?? [];
  if (wanted.length === 0) throw usage("Which server does it open? Give --instance NAME, or --instance '*' for all.");
  const instances = wanted.includes('*') ? '*' : await Promise.all(wanted.map(async i => (await api.instance(i)).id));
  const token = await api.call('POST', '/tokens', { name, instances, expiresAt: options.expires ? time(options.expires) : null, ...(options.tool ? { tools: options.tool } : {}) });
  note(`Token '${token.name}'${token.expiresAt ? `, good until ${token.expiresAt}` : ''}; its value is shown only now:`);
  say(token.value);
  result(token);
}

async function list(api, options) {
  const one = options.instance?.[0] ? (await api.instance(options.instance[0])).id : null;
  const items = await api.all(`/tokens${one ? `?instance=${one}` : ''}`);
  if (items.length === 0) say('There are no tokens.');
  else table(['NAME', 'ID', 'OPENS', 'EXPIRES'], items.map(t => [t.name, t.id, t.instances === '*' ? 'all servers' : `${t.instances.length} server${t.instances.length === 1 ? '' : 's'}`, t.expiresAt ?? 'never']));
  result(items);
}

async function remove(api, options, name) {
  const fitting = (await api.all('/tokens')).filter(t => t.id === name || t.name === name);
  if (fitting.length === 0) throw new Failure(`There is no token '${name}'. See: mcpcan token list`, { exit: exits.notFound, code: 'not-found' });
  if (fitting.length > 1) throw new Failure(`Several tokens are called '${name}'. Use the id of one: ${fitting.map(t => t.id).join(', ')}.`, { code: 'ambiguous' });
  await api.call('DELETE', `/tokens/${fitting[0].id}`);
  say(`Token '${fitting[0].name}' is deleted.`);
  result({ deleted: fitting[0].id });
}

function time(text) {
  const [, count, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const at = count ? new Date(Date.now() + count * { m: 60e3, h: 3600e3, d: 86400e3 }[unit]) : /^\d{4}-\d\d-\d\d/.test(text) ? new Date(text) : null;
  if (!at || Number.isNaN(at.getTime())) throw usage(`--expires takes 12h, 30d, or a time like 2027-01-31T00:00:00Z, not '${text}'.`);
  return at.toISOString();
}
