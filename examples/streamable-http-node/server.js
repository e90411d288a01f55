// An MCP server that listens by itself, without sessions: each request is answered by a server of its own.
import { createServer } from 'node:http'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { z } from 'zod'

const port = Number(process.env.PORT ?? 8000)

function greeter() {
  const server = new McpServer({ name: 'greeter', version: '1.0.0' })
  server.registerTool('greet', { title: 'Greet', description: 'Says hello.', inputSchema: { name: z.string().describe('Whom to greet') } },
    ({ name }) => ({ content: [{ type: 'text', text: `Hello, ${name}!` }] }))
  return server
}

createServer(async (request, response) => {
  if (!request.url?.startsWith('/mcp')) {
    response.writeHead(404).end()
    return
  }
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: true })
  response.on('close', () => transport.close())
  await greeter().connect(transport)
  await transport.handleRequest(request, response)
}).listen(port, '0.0.0.0', () => console.error(`listening on ${port}`))
