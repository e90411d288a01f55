import { Api } from '../api.js';
import { number } from '../args.js';
import { begin } from '../deployment.js';
import { Failure } from '../errors.js';
import { note, result, say } from '../output.js';
import { deployed, mark, running } from '../wait.js';

export default {
  name: 'rollback',
  args: ['instance', 'version?'],
  summary: 'Go back to an earlier version of a server; to the one before unless told which',
  options: {
    'no-wait': { help: 'do not wait until it runs' },
    timeout: { value: 'SECONDS', help: 'how long to wait (600)' },
  },
  async run(options, [name, version]) {
    const timeout = number(options.timeout, '--timeout', 600);
    const api = new Api();
    const instance = await api.instance(name);
    if (instance.source?.type !== 'package') throw new Failure(`'${instance.name}' does not run uploaded code, so it has no versions.`, { code: 'no-package' });
    const { versions, version: newest } = await api.get(`/packages/${instance.source.packageId}`);
    const now = instance.source.version ?? newest;
    const target = version === undefined ? await before(api, instance, now, versions.map(v => v.version)) : number(version, 'VERSION');
    note(`Going back from version ${now} to version ${target} of '${instance.name}'`);
    const deployment = await begin(api, instance.id, target, timeout);
    if (!options['no-wait']) {
      await deployed(api, instance.id, deployment, timeout);
      if (instance.status.state !== 'Stopped') await running(api, instance.id, timeout, await mark(api, instance.id));
    }
    say(options['no-wait'] ? `Version ${target} of '${instance.name}' is on its way.` : instance.status.state === 'Stopped' ? `Version ${target} of '${instance.name}' runs at its next start.` : `Version ${target} of '${instance.name}' runs.`);
    result({ instance: instance.id, from: now, version: target });
  },
};

/** What ran before the present version came; failing that, the next lower one. */
async function before(api, instance, now, there) {
  const last = (await api.get(`/instances/${instance.id}/deployments?limit=100`)).items.find(d => d.state === 'Deployed' && d.version === now);
  if (last?.previous && last.previous !== now && there.includes(last.previous)) return last.previous;
  const lower = there.filter(v => v < now);
  if (lower.length === 0) throw new Failure(`'${instance.name}' runs version ${now}, and there is no earlier one.`, { code: 'no-version' });
  return Math.max(...lower);
}
