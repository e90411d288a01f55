import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';

const server = new Server({ name: 'typescript', version: '1.0.0' }, { capabilities: { tools: {} } });
const answer: string = 'built';

server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [{ name: 'answer', description: 'Says how it came to be', inputSchema: { type: 'object' as const } }] }));
server.setRequestHandler(CallToolRequestSchema, () => ({ content: [{ type: 'text' as const, text: answer }] }));
await server.connect(new StdioServerTransport());
