// Waits for what MCPCAN does meanwhile, and tells it.
import { setTimeout as sleep } from 'node:timers/promises';
import { exits, Failure, timedOut } from './errors.js';
import { note, plain } from './output.js';

const pace = 300;

const settled = new Set(['Running', 'Registered', 'Sleeping', 'Stopped', 'Failed', 'Degraded']);

/** Until a started instance runs, with its phases and the log of its install from where `mark` was. Fails when it does. */
export async function running(api, id, seconds, after = 0) {
  const stop = new AbortController();
  const following = follow(api, id, { after }, stop.signal);
  try {
    return await until(seconds, `It may still come: mcpcan logs ${id} -f`, async say => {
      const instance = await api.get(`/instances/${id}`);
      const { state, phase, reason } = instance.status;
      say(`  ${state}${phase ? `: ${phase}` : ''}`);
      if (!settled.has(state)) return null;
      if (state === 'Failed') throw failed(instance, reason);
      return instance;
    });
  } finally {
    stop.abort();
    await following;
  }
}

function failed(instance, reason) {
  const last = instance.status.lastExit?.lastLines ?? [];
  return new Failure(`The server '${instance.name}' does not run: ${reason ?? 'no reason is known'}`, { code: 'server-failed', lines: [...last.map(plain), `See: mcpcan logs ${instance.slug}`] });
}

/** Until a version is deployed. The old one serves on when it fails. */
export async function deployed(api, id, deployment, seconds) {
  const stop = new AbortController();
  const following = follow(api, id, { run: 'next', since: deployment.startedAt }, stop.signal);
  try { return await settledDeployment(api, id, deployment, seconds); } finally {
    stop.abort();
    await following;
  }
}

async function settledDeployment(api, id, deployment, seconds) {
  return await until(seconds, 'It goes on meanwhile; see the console.', async say => {
    const now = await api.get(`/instances/${id}/deployments/${deployment.id}`);
    say(`  ${{ Trying: `Trying version ${now.version} beside the one that serves`, Switching: `Switching: version ${now.version} takes new sessions` }[now.state] ?? now.state}`);
    if (now.state === 'Trying' || now.state === 'Switching') return null;
    if (now.state === 'Deployed') return now;
    throw new Failure(`Version ${now.version} was not deployed: ${now.reason ?? now.state} ${now.previous ? `Version ${now.previous} serves on.` : ''}`.trimEnd(), { code: 'deployment-failed', lines: now.log.map(plain) });
  });
}

/** Until it is gone. */
export const gone = (api, id, seconds) => until(seconds, 'It goes on meanwhile.', async () => {
  try { await api.get(`/instances/${id}`); return null; } catch (error) { if (error.exit === exits.notFound) return true; throw error; }
});

/** Asks again until there is an answer. `say` tells each new thing once. */
export async function until(seconds, hint, ask) {
  const end = performance.now() + seconds * 1000;
  let last;
  for (;;) {
    const answer = await ask(text => { if (text !== last) note(last = text); });
    if (answer) return answer;
    if (performance.now() > end) throw timedOut(`Not done within ${seconds} seconds. ${hint}`);
    await sleep(pace);
  }
}

/** The number of an instance's last log line: what comes after it is new. */
export async function mark(api, id) {
  for await (const line of api.logs(id, { tail: 1 })) return line.n;
  return 0;
}

/** The log may not be there yet, or be cut: then it is asked for again. */
async function follow(api, id, from, signal) {
  for (let query = { follow: 'true', stream: 'install', ...from }; !signal.aborted; await sleep(pace, undefined, { signal }).catch(() => {})) {
    try {
      for await (const line of api.logs(id, query, signal)) {
        query = { ...query, after: line.n };
        note(`  | ${plain(line.msg)}`);
      }
    } catch { /* the states are told anyway */ }
  }
}
