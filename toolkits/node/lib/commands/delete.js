import { Api } from '../api.js';
import { number } from '../args.js';
import { usage } from '../errors.js';
import { result, say } from '../output.js';
import { ask, atTerminal } from '../prompt.js';
import { gone } from '../wait.js';

export default {
  name: 'delete',
  args: ['instance'],
  summary: 'Delete a server with its workload, files and logs, and the tokens that open only it',
  options: {
    yes: { short: 'y', help: 'do not ask' },
    package: { help: 'delete its uploaded code, too, unless another server runs it' },
    timeout: { value: 'SECONDS', help: 'how long to wait (120)' },
  },
  async run(options, [name]) {
    const timeout = number(options.timeout, '--timeout', 120);
    const api = new Api();
    const instance = await api.instance(name);
    if (!options.yes) {
      if (!atTerminal()) throw usage(`'${instance.name}' would be deleted with its files and logs. Say so with --yes.`);
      if (!/^y(es)?$/i.test(await ask(`Delete '${instance.name}' with its files and logs? [y/N] `))) {
        say('Nothing was deleted.');
        return;
      }
    }
    // Tokens that would open nothing any more.
    const tokens = (await api.all(`/tokens?instance=${instance.id}`)).filter(t => t.instances.length === 1 && t.instances[0] === instance.id);
    await api.call('DELETE', `/instances/${instance.id}`);
    await gone(api, instance.id, timeout);
    for (const token of tokens) await api.call('DELETE', `/tokens/${token.id}`);
    const code = options.package ? instance.source?.packageId : null;
    const used = code ? (await api.get(`/packages/${code}/users`)).length > 0 : true;
    if (!used) await api.call('DELETE', `/packages/${code}`);
    say(`'${instance.name}' is deleted${used ? '' : ' with its code'}.`);
    result({ deleted: instance.id, package: used ? null : code, tokens: tokens.map(t => t.id) });
  },
};
