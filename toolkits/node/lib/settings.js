// Which MCPCAN, and as whom: from the environment, else from what `mcpcan login` kept.
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { exits, Failure, usage } from './errors.js';

export function file() {
  const { platform, env } = process;
  if (platform === 'win32') return join(env.APPDATA || join(homedir(), 'AppData', 'Roaming'), 'mcpcan', 'config.json');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'mcpcan', 'config.json');
  return join(env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'mcpcan', 'config.json');
}

export function stored() {
  try { return JSON.parse(readFileSync(file(), 'utf8')) ?? {}; } catch { return {}; }
}

/** Keeps address and key where only this user can read them. */
export function keep(settings) {
  const path = file();
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.new`, JSON.stringify(settings, null, 2) + '\n', { mode: 0o600 });
  chmodSync(`${path}.new`, 0o600); // it may have been there
  renameSync(`${path}.new`, path);
}

export const forget = () => rmSync(file(), { force: true });

/** An address without the slash at its end. */
export function address(text) {
  let url;
  try { url = new URL(text); } catch { url = null; }
  if (!url || !/^https?:$/.test(url.protocol)) throw usage(`'${text}' is no address. It begins with https:// or http://, for example http://127.0.0.1:7300`);
  return text.replace(/\/+$/, '');
}

/** Address and key; a kept key goes to no other address than its own. */
export function current() {
  const kept = stored();
  const given = process.env.MCPCAN_URL ? address(process.env.MCPCAN_URL) : undefined;
  const url = given ?? kept.url;
  const key = process.env.MCPCAN_API_KEY || (url === kept.url ? kept.apiKey : undefined);
  if (!url || !key) {
    throw new Failure(`Not signed in${url ? ` at ${url}` : ''}. Run: mcpcan login (or set MCPCAN_URL and MCPCAN_API_KEY)`, { exit: exits.denied, code: 'not-signed-in' });
  }
  return { url, key };
}
