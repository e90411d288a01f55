// A small MCP server over stdio with ways to behave badly: node server.js [banner|silent|exits|forks|floods|slow|crashes]
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const mode = process.argv[2] ?? 'good';
const say = message => process.stdout.write(JSON.stringify(message) + '\n');
const tools = ['echo', 'crash'].map(name => ({ name, description: name, inputSchema: { type: 'object', properties: { text: { type: 'string' } } } }));

if (mode === 'banner') process.stdout.write('*** Welcome to the banner server v1.0 ***\nListening on stdio {not json}\n\n');
if (mode === 'exits') { console.error('Error: DATABASE_URL is not set'); process.exit(3); }
if (mode === 'forks') for (let i = 0; i < 3; i++) spawn('sleep', ['3600'], { detached: true, stdio: 'ignore' }).unref();
if (mode === 'slow') await new Promise(done => setTimeout(done, 30_000));
if (mode === 'floods') {
  const line = 'x'.repeat(1023) + '\n';
  for (let i = 0; i < 100 * 1024; i++) if (!process.stderr.write(line)) await new Promise(done => process.stderr.once('drain', done));
}

createInterface({ input: process.stdin }).on('line', line => {
  if (mode === 'silent') return;
  const { id, method, params } = JSON.parse(line);
  if (id === undefined || !method) return;
  if (mode === 'banner') process.stdout.write('debug: handling a request\n');
  if (method === 'tools/call' && params.name === 'crash') process.exit(7);
  const result = method === 'initialize' ? { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: mode, version: '1' } }
    : method === 'tools/list' ? { tools }
    : method === 'tools/call' ? { content: [{ type: 'text', text: params.arguments?.text ?? '' }] } : {};
  say({ jsonrpc: '2.0', id, result });
});
