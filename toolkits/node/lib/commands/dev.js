import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Api } from '../api.js';
import { number } from '../args.js';
import { bring, deployOptions, firstToken, plan } from '../deployment.js';
import { Failure } from '../errors.js';
import { event, note, plain, say, warn } from '../output.js';
import { interrupted } from '../signals.js';
import { upload } from '../upload.js';
import { Watch } from '../watch.js';
import { text } from './logs.js';

const pace = 200, mostFiles = 200, largestText = 1 << 20;

export default {
  name: 'dev',
  args: ['folder?'],
  summary: 'Run a folder, send each change at once, and show the log; Ctrl-C ends',
  more: ['The running version is replaced without a trial beside it: clients begin new sessions. What it made stays; the versions in between are deleted.'],
  options: {
    ...deployOptions,
    'no-token': { help: 'make no token at the first deploy' },
    timeout: { value: 'SECONDS', help: 'how long the first start may take (600)' },
  },
  async run(options, [folder = '.']) {
    const timeout = number(options.timeout, '--timeout', 600);
    const api = new Api();
    const watch = new Watch(folder);
    const wanted = plan(folder, options);
    let made;
    try { made = await bring(api, wanted, { timeout, notes: 'dev', fast: true }); } catch (error) {
      if (error.code !== 'server-failed') throw error;
      // The next edit may mend it.
      warn(error.message);
      for (const line of error.lines) note(`  ${line}`);
      const instance = await api.instance(wanted.name);
      made = { instance, created: false, package: instance.source.packageId, version: instance.source.version };
    }
    const token = options['no-token'] ? null : await firstToken(api, made);
    say(`Version ${made.version} of '${made.instance.name}': ${api.address(made.instance)}`);
    if (token) say(`Token ${token.value}  (shown only now)`);
    event({ event: 'ready', instance: made.instance.id, slug: made.instance.slug, version: made.version, address: api.address(made.instance), token: token?.value ?? null });
    await interrupted(signal => Promise.all([tail(api, made.instance.id, signal), loop(api, watch, made, signal)]));
    say(`Version ${made.version} of '${made.instance.name}' runs on. Delete it with: mcpcan delete ${made.instance.slug}`);
  },
};

async function loop(api, watch, made, signal) {
  note('Watching for changes; Ctrl-C ends.');
  for (let first = null; ; await sleep(pace, undefined, { signal })) {
    const begin = performance.now();
    let change;
    try { change = watch.take(); } catch (error) { warn(error.message); continue; } // a folder that goes while it is read
    if (!change) continue;
    try {
      const next = await send(api, made, change);
      const before = made.version;
      made.version = next;
      note(`Changed: ${change.paths.slice(0, 5).join(', ')}${change.paths.length > 5 ? ` and ${change.paths.length - 5} more` : ''}`);
      await api.call('PATCH', `/instances/${made.instance.id}`, { source: { version: next } });
      const status = await settle(api, made.instance.id, watch, signal);
      const seconds = Math.round((performance.now() - begin) / 100) / 10;
      if (status.state === 'Running') note(`Version ${next} runs (${seconds.toFixed(1)} s).`);
      else if (status.state === 'Failed') warn(`Version ${next} does not run: ${plain(status.reason ?? '')} The next change is tried again.`);
      event({ event: status.state === 'Running' ? 'deployed' : status.state === 'Failed' ? 'failed' : 'superseded', version: next, paths: change.paths, seconds, reason: status.reason });
      // Only the versions that this run made, and none that serves.
      if (first !== null) await api.call('DELETE', `/packages/${made.package}/versions/${before}`).catch(() => {});
      first = next;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      warn(`${error.message} The next change is tried again.`);
      event({ event: 'failed', paths: change.paths, reason: error.message });
    }
  }
}

/** Sends what changed and answers the new version's number. Texts go alone, all else as a whole archive. */
async function send(api, made, { changed, removed, modes, files }) {
  const texts = Object.fromEntries(removed.map(path => [path, null]));
  let whole = modes || changed.length + removed.length > mostFiles;
  for (const file of whole ? [] : changed) {
    let bytes;
    try { bytes = readFileSync(file.file); } catch { whole = true; break; }
    const value = bytes.toString('utf8');
    if (bytes.length > largestText || !Buffer.from(value).equals(bytes)) whole = true;
    texts[file.path] = { text: value };
  }
  if (whole) return (await upload(api, files, made.instance.name, made.package, 'dev')).version;
  try { return (await api.call('PATCH', `/packages/${made.package}/versions/${made.version}/files`, { files: texts, notes: 'dev' })).version; } catch (error) {
    // What it is based on is not there any more, for example: the whole is as good.
    if (error.status === 404 || error.status === 400) return (await upload(api, files, made.instance.name, made.package, 'dev')).version;
    throw error;
  }
}

/** Until it runs or has failed, or there is something newer to send. */
async function settle(api, id, watch, signal) {
  for (;;) {
    const { status } = await api.get(`/instances/${id}`);
    if (status.state === 'Running' || status.state === 'Failed' || status.state === 'Stopped' || watch.pending) return status;
    await sleep(100, undefined, { signal });
  }
}

/** The log from now on, also over restarts and cut connections. */
async function tail(api, id, signal) {
  for (let query = { follow: 'true', tail: '0' }; !signal.aborted; await sleep(1000, undefined, { signal })) {
    try {
      for await (const line of api.logs(id, query, signal)) {
        query = { follow: 'true', after: String(line.n) };
        if (line.stream === 'bridge' && line.level === 'info') continue;
        note(text(line));
        event({ event: 'log', ...line });
      }
    } catch (error) { if (!(error instanceof Failure)) throw error; }
  }
}
