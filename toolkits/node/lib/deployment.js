// From a folder to a running instance: a new one, or the next version of one that is there.
import { pairs } from './args.js';
import { Failure, usage } from './errors.js';
import { note, plain, warn } from './output.js';
import { collect } from './pack.js';
import { nameOf, settings } from './project.js';
import { upload } from './upload.js';
import { deployed, mark, running, until } from './wait.js';

export const deployOptions = {
  name: { value: 'NAME', help: "the server's name; from mcpcan.json or the project unless given" },
  env: { value: 'K=V', many: true, help: 'environment variable' },
  secret: { value: 'K=V', many: true, help: 'environment variable that is stored encrypted and never shown' },
  environment: { value: 'ID', help: 'where it runs, for a new server' },
};

/** What is to be deployed: files, name and settings. */
export function plan(folder, options) {
  const own = settings(folder);
  const skipped = [];
  const files = collect(folder, skipped);
  for (const path of skipped) warn(`'${path}' is a link that leads to no file of the folder; it is left out.`);
  if (files.length === 0) throw new Failure(`There is nothing to deploy in '${folder}': it has no files, or all are ignored.`, { code: 'empty' });
  const plainEnv = { ...own.env, ...pairs(options.env, '--env') };
  const secrets = pairs(options.secret, '--secret');
  for (const name of own.secrets ?? []) if (process.env[name] !== undefined) secrets[name] ??= process.env[name];
  return { folder, files, name: nameOf(folder, own, options.name), own, plainEnv, secrets, environment: options.environment ?? own.environment };
}

/** Uploads and deploys. Answers { instance, created, package, version }. With `fast` the running version is ended first, without a trial beside it. */
export async function bring(api, wanted, { wait = true, timeout = 600, notes, fast = false } = {}) {
  const found = await api.find(wanted.name);
  if (found && found.source?.type !== 'package') throw usage(`The server '${wanted.name}' is there already and does not run uploaded code. Choose another name: --name NAME`);
  const missing = (wanted.own.secrets ?? []).filter(name => !(name in wanted.secrets) && !found?.env[name]);
  if (missing.length > 0) throw usage(`${missing.join(', ')} ${missing.length > 1 ? 'have' : 'has'} no value. Set it in the environment, or give --secret ${missing[0]}=VALUE`);
  const stored = await upload(api, wanted.files, wanted.name, found?.source.packageId, notes);
  describe(stored);
  const made = { created: !found, package: stored.id, version: stored.version };
  if (!found) {
    note(`Creating the server '${wanted.name}'`);
    const instance = await api.call('POST', '/instances', creation(wanted, made));
    return { ...made, instance: wait ? await running(api, instance.id, timeout) : instance };
  }
  note(`Deploying version ${stored.version} to '${found.name}'`);
  const patch = changes(wanted, found);
  // Beside a server that does not serve, nothing is to be kept up; and its install can be followed.
  const serves = ['Running', 'Degraded', 'Sleeping'].includes(found.status.state);
  if (patch || fast || !serves) {
    if (patch && serves && !fast) note('  Its settings change, too: the server is started anew.');
    const after = await mark(api, found.id);
    const instance = await api.call('PATCH', `/instances/${found.id}`, { ...patch, source: { version: stored.version, ...patch?.source } });
    return { ...made, instance: await up(api, instance, wait, timeout, after) };
  }
  const deployment = await begin(api, found.id, stored.version, timeout);
  if (wait) await deployed(api, found.id, deployment, timeout);
  return { ...made, instance: await up(api, await api.get(`/instances/${found.id}`), wait, timeout, await mark(api, found.id)) };
}

/** Asks for a deployment; one that is under way is waited for. */
export async function begin(api, id, version, timeout) {
  return await until(timeout, 'Another deployment is under way.', async say => {
    try { return await api.call('POST', `/instances/${id}/deployments`, { version, drainSeconds: 10 }); } catch (error) {
      if (error.code !== 'deployment-running') throw error;
      say('  Waiting: another deployment is under way');
      return null;
    }
  });
}

/** A stopped server is started: who deploys wants it to run. */
async function up(api, instance, wait, timeout, after) {
  if (instance.status.state === 'Stopped') instance = await api.call('POST', `/instances/${instance.id}/start`);
  return wait ? await running(api, instance.id, timeout, after) : instance;
}

function creation({ name, own, plainEnv, secrets, environment }, made) {
  return {
    name, mode: 'managed', environment, processes: own.processes, limits: own.limits, env: variables(plainEnv, secrets),
    source: { type: 'package', packageId: made.package, version: made.version, install: own.install, start: own.start },
  };
}

const variables = (plainEnv, secrets) => ({ ...plainEnv, ...Object.fromEntries(Object.entries(secrets).map(([k, v]) => [k, { secret: v }])) });

/** What else is to change at an instance; null for nothing. */
function changes({ own, plainEnv, secrets }, found) {
  const patch = {};
  const env = Object.fromEntries(Object.entries(plainEnv).filter(([k, v]) => found.env[k] !== v));
  if (Object.keys(env).length + Object.keys(secrets).length > 0) patch.env = variables(env, secrets);
  const differs = (a, b) => JSON.stringify(a ?? null) !== JSON.stringify(b ?? null);
  for (const part of ['install', 'start']) if (differs(own[part], found.source[part])) (patch.source ??= {})[part] = own[part] ?? null;
  if (own.processes && own.processes !== found.processes) patch.processes = own.processes;
  if (Object.entries(own.limits ?? {}).some(([k, v]) => found.limits[k] !== v)) patch.limits = own.limits;
  return Object.keys(patch).length > 0 ? patch : null;
}

function describe({ detected }) {
  const line = (head, command) => (command ? `, ${head}: ${plain(command.join(' '))}` : '');
  note(`  Detected: ${detected.runtime}${line('installed with', detected.install)}${line('built with', detected.build)}${line('started with', detected.start)}`);
}

/** The token of the first deploy; null when there is one that opens the server. */
export async function firstToken(api, { instance, created }) {
  if (!created && (await api.get(`/tokens?instance=${instance.id}&limit=1`)).total > 0) return null;
  return await api.call('POST', '/tokens', { name: instance.name, instances: [instance.id] });
}
