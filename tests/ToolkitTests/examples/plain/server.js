// An MCP server over stdio with nothing but Node.
import { createInterface } from 'node:readline';

const answer = 'first';
const types = { text: { type: 'string' }, count: { type: 'integer' }, ratio: { type: ['number', 'null'] }, on: { type: 'boolean' }, tags: { type: 'array', items: { type: 'string' } }, more: { type: 'object' }, any: {} };
const tools = [
  { name: 'answer', description: 'Says the answer of this version', inputSchema: { type: 'object' } },
  { name: 'echo', description: 'Gives back its arguments', inputSchema: { type: 'object', properties: types, required: ['text'] } },
  { name: 'environment', description: 'Says what it was given', inputSchema: { type: 'object' } },
  { name: 'fail', description: 'Fails', inputSchema: { type: 'object' } },
];

function call({ name, arguments: given }) {
  console.error(`called ${name}`);
  if (name === 'answer') return answer;
  if (name === 'echo') return JSON.stringify(given);
  if (name === 'environment') return JSON.stringify({ greeting: process.env.GREETING ?? null, secret: process.env.SECRET ?? null });
  return null;
}

createInterface({ input: process.stdin }).on('line', line => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined || !method) return;
  const results = {
    initialize: () => ({ protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'plain', version: '1' } }),
    'tools/list': () => ({ tools }),
    'tools/call': () => { const text = call(params); return { content: [{ type: 'text', text: text ?? 'this failed' }], isError: text === null }; },
  };
  process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result: results[method]?.() ?? {} }) + '\n');
});
