// What is in a folder: its mcpcan.json, and what can be told from its files.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Failure } from './errors.js';
import { root } from './pack.js';

export const settingsFile = 'mcpcan.json';

const texts = value => Array.isArray(value) && value.every(v => typeof v === 'string');
const isObject = value => typeof value === 'object' && value !== null && !Array.isArray(value);
const shapes = {
  $schema: ['a text', v => typeof v === 'string'],
  name: ['a text', v => typeof v === 'string'],
  environment: ['a text', v => typeof v === 'string'],
  install: ['a list of texts', texts],
  start: ['a list of texts', texts],
  env: ['an object with texts', v => isObject(v) && Object.values(v).every(t => typeof t === 'string')],
  secrets: ['a list of names', texts],
  processes: ["'per-session', 'shared' or 'per-principal'", v => ['per-session', 'shared', 'per-principal'].includes(v)],
  limits: ['an object with numbers', v => isObject(v) && Object.values(v).every(n => typeof n === 'number')],
};

/** The settings of mcpcan.json; an empty object without one. */
export function settings(folder) {
  const file = join(root(folder), settingsFile);
  if (!existsSync(file)) return {};
  let value;
  try { value = JSON.parse(readFileSync(file, 'utf8').replace(/^\ufeff/, '')); } catch { value = null; }
  if (!isObject(value)) throw new Failure(`${settingsFile} is not a valid JSON object.`, { code: 'bad-settings' });
  const lines = Object.entries(value).flatMap(([name, v]) => {
    if (!Object.hasOwn(shapes, name)) return [`${name}: There is no such setting. Known are: ${Object.keys(shapes).slice(1).join(', ')}.`];
    return shapes[name][1](v) ? [] : [`${name}: Must be ${shapes[name][0]}.`];
  });
  if (lines.length > 0) throw new Failure(`${settingsFile} has settings that are not understood.`, { code: 'bad-settings', lines });
  return value;
}

/** Language and name of the project; null when none is recognised. */
export function detect(folder) {
  const top = root(folder);
  const has = name => existsSync(join(top, name));
  const names = readdirSync(top);
  const fallback = basename(top) || 'server';
  if (has('package.json')) {
    let about = {};
    try { about = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8')) ?? {}; } catch { /* the server says more about it */ }
    const typescript = has('tsconfig.json') || Object.hasOwn(about.devDependencies ?? {}, 'typescript') || Object.hasOwn(about.dependencies ?? {}, 'typescript');
    return { language: typescript ? 'TypeScript' : 'Node', name: typeof about.name === 'string' && about.name ? about.name.split('/').pop() : fallback };
  }
  if (has('pyproject.toml') || has('requirements.txt') || has('setup.py') || names.some(n => n.endsWith('.py'))) {
    const toml = has('pyproject.toml') ? readFileSync(join(top, 'pyproject.toml'), 'utf8') : '';
    const found = /^\[project\]\s*?\n(?:(?!\[).*\n)*?name\s*=\s*["']([^"'\n]+)["']/m.exec(toml.replaceAll('\r\n', '\n'));
    return { language: 'Python', name: found?.[1] ?? fallback };
  }
  if (names.some(n => /\.[mc]?ts$/.test(n))) return { language: 'TypeScript', name: fallback };
  if (names.some(n => /\.[mc]?js$/.test(n))) return { language: 'Node', name: fallback };
  return null;
}

/** The name that it is deployed under. */
export function nameOf(folder, own, option) {
  return option ?? own.name ?? detect(folder)?.name ?? basename(root(folder));
}
