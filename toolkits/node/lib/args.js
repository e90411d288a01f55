// Reads a command's arguments by its description: { options: { name: { short, value, many, help } }, args: ['folder?'] }.
import { usage } from './errors.js';

export const common = {
  json: { help: 'machine-readable output' },
  help: { short: 'h', help: 'this text' },
};

export function parse(command, argv) {
  const known = { ...command.options, ...common };
  const options = {};
  const args = [];
  for (let i = 0, only = false; i < argv.length; i++) {
    const text = argv[i];
    if (only || text === '-' || !text.startsWith('-')) { args.push(text); continue; }
    if (text === '--') { only = true; continue; }
    const [flag, inline] = text.startsWith('--') && text.includes('=') ? [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)] : [text, undefined];
    const name = flag.startsWith('--') ? flag.slice(2) : Object.keys(known).find(n => known[n].short === flag.slice(1));
    const option = Object.hasOwn(known, name ?? '') ? known[name] : undefined;
    if (!option) throw usage(`There is no option ${flag}. See: mcpcan ${command.name} --help`);
    if (!option.value) {
      if (inline !== undefined) throw usage(`${flag} takes no value.`);
      options[name] = true;
      continue;
    }
    const value = inline ?? argv[++i];
    if (value === undefined) throw usage(`${flag} needs a value: ${flag} ${option.value}`);
    if (option.many) (options[name] ??= []).push(value);
    else options[name] = value;
  }
  if (!options.help) count(command, args);
  return { options, args };
}

function count(command, args) {
  const names = command.args ?? [];
  const least = names.filter(n => !/[?*]$/.test(n)).length;
  const most = names.some(n => n.endsWith('*')) ? Infinity : names.length;
  if (args.length < least) throw usage(`Missing: ${names[args.length].toUpperCase()}. See: mcpcan ${command.name} --help`);
  if (args.length > most) throw usage(`Too many arguments: ${args.slice(most).join(' ')}. See: mcpcan ${command.name} --help`);
}

/** K=V pairs as an object. */
export function pairs(texts = [], option) {
  return Object.fromEntries(texts.map(text => {
    const at = text.indexOf('=');
    if (at < 1) throw usage(`${option} takes NAME=VALUE, not '${text}'.`);
    return [text.slice(0, at), text.slice(at + 1)];
  }));
}

export function number(text, option, fallback) {
  if (text === undefined) return fallback;
  if (!/^\d{1,9}$/.test(text)) throw usage(`${option} takes a whole number, not '${text}'.`);
  return Number(text);
}
