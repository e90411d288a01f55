// Arguments of a tool from K=V texts: the tool's schema decides their types.
import { usage } from './errors.js';

export function read(texts = [], schema = {}) {
  const properties = schema.properties ?? {};
  const out = {};
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at < 1) throw usage(`--arg takes NAME=VALUE, not '${text}'.`);
    const [name, value] = [text.slice(0, at), text.slice(at + 1)];
    if (!Object.hasOwn(properties, name) && schema.additionalProperties === false) {
      throw usage(`The tool has no argument '${name}'. It has: ${Object.keys(properties).join(', ') || 'none'}.`);
    }
    const kinds = types(properties[name]);
    if (kinds.includes('array') && !value.trim().startsWith('[')) (out[name] ??= []).push(typed(name, value, types(properties[name]?.items)));
    else out[name] = typed(name, value, kinds);
  }
  return out;
}

/** The types that a schema allows; none when it does not say. */
function types(schema) {
  if (!schema || typeof schema !== 'object') return [];
  const own = [schema.type ?? []].flat();
  const values = [...(schema.enum ?? []), ...('const' in schema ? [schema.const] : [])].map(v => (v === null ? 'null' : typeof v));
  return [...own, ...values, ...[...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap(types)];
}

function typed(name, text, kinds) {
  const is = (...wanted) => kinds.length === 0 || wanted.some(k => kinds.includes(k));
  const wrong = what => usage(`The argument '${name}' must be ${what}, not '${text}'.`);
  if (is('number', 'integer') && /^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) {
    const whole = kinds.includes('integer') && !kinds.includes('number');
    if (!whole || /^-?\d+$/.test(text)) return Number(text);
  }
  if (is('boolean') && (text === 'true' || text === 'false')) return text === 'true';
  if (is('null') && text === 'null') return null;
  if (is('object', 'array') && /^\s*[[{]/.test(text)) {
    try { return JSON.parse(text); } catch { if (!kinds.includes('string') && kinds.length > 0) throw wrong('valid JSON'); }
  }
  if (is('string')) return text;
  throw wrong({ number: 'a number', integer: 'a whole number', boolean: 'true or false', null: 'null' }[kinds[0]] ?? `JSON of type ${kinds[0]}`);
}
