import { Api } from '../api.js';
import { number } from '../args.js';
import { read } from '../arguments.js';
import { exits, Failure, usage } from '../errors.js';
import { plain, result, say, table } from '../output.js';

export default {
  name: 'call',
  args: ['instance', 'tool?'],
  summary: "Call a server's tool; without one, list its tools",
  options: {
    arg: { value: 'K=V', many: true, help: "an argument; the tool's schema decides its type" },
    'json-args': { value: 'JSON', help: 'all arguments as a JSON object' },
    timeout: { value: 'SECONDS', help: 'how long the call may take (60)' },
  },
  async run(options, [name, tool]) {
    const timeoutSeconds = number(options.timeout, '--timeout', 60);
    const api = new Api();
    const instance = await api.instance(name);
    const { items: tools } = await api.get(`/instances/${instance.id}/tools`);
    if (!tool) return list(tools);
    const found = tools.find(t => t.name === tool);
    if (!found) throw new Failure(`'${instance.name}' has no tool '${tool}'. It has: ${tools.map(t => t.name).join(', ') || 'none'}.`, { exit: exits.notFound, code: 'no-tool' });
    const args = { ...object(options['json-args']), ...read(options.arg, found.inputSchema) };
    const { result: answer, error, durationMs } = await api.call('POST', `/instances/${instance.id}/tools/${encodeURIComponent(tool)}/call`, { arguments: args, timeoutSeconds });
    result({ result: answer, error, durationMs });
    if (error) {
      if (!options.json) throw new Failure(`The call failed: ${plain(error.message)} (${error.code})`, { code: 'call-failed' });
      return exits.failed;
    }
    for (const block of answer.content ?? []) say(shown(block));
    if (!answer.content?.length && answer.structuredContent) say(JSON.stringify(answer.structuredContent, null, 2));
    return answer.isError ? exits.failed : exits.ok;
  },
};

function list(tools) {
  if (tools.length === 0) say('It has no tools.');
  else table(['TOOL', 'ARGUMENTS', 'WHAT IT DOES'], tools.map(t => [t.name, Object.keys(t.inputSchema?.properties ?? {}).map(p => (t.inputSchema.required?.includes(p) ? p : `[${p}]`)).join(' '), plain(t.description ?? '').split('\n')[0].slice(0, 80)]));
  result(tools);
}

function object(text) {
  if (text === undefined) return {};
  let value;
  try { value = JSON.parse(text); } catch { value = null; }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw usage(`--json-args takes a JSON object, for example --json-args '{"a": 1}'.`);
  return value;
}

function shown(block) {
  if (block.type === 'text') return plain(block.text);
  if (block.type === 'resource' && block.resource?.text !== undefined) return plain(block.resource.text);
  const { data, blob, ...rest } = block.resource ?? block;
  return `[${block.type}] ${rest.mimeType ?? ''} ${rest.uri ?? ''}`.trim() + (data ?? blob ? ` (${(data ?? blob).length} characters of Base64; --json shows them)` : '');
}
