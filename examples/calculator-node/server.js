// An MCP server over standard input and output: one JSON-RPC message a line.
import { createInterface } from 'node:readline'
import { calculate } from './calculator.js'

const versions = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05']
const tools = [{
  name: 'calculate',
  title: 'Calculate',
  description: 'Calculates an expression: + - * / % ^, brackets, sqrt, abs, round, floor, ceil, ln, log, sin, cos, tan, pi, e.',
  inputSchema: { type: 'object', properties: { expression: { type: 'string', description: 'For example (2 + 3) * sqrt(16)' } }, required: ['expression'], additionalProperties: false },
  outputSchema: { type: 'object', properties: { value: { type: 'number' } }, required: ['value'] },
  annotations: { readOnlyHint: true, openWorldHint: false },
}]

const methods = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion: versions.includes(protocolVersion) ? protocolVersion : versions[0],
    capabilities: { tools: {} },
    serverInfo: { name: 'calculator', version: '1.0.0' },
  }),
  ping: () => ({}),
  'tools/list': () => ({ tools }),
  'tools/call': ({ name, arguments: args }) => {
    if (name !== 'calculate') throw Object.assign(new Error(`There is no tool '${name}'.`), { code: -32602 })
    try {
      const value = calculate(String(args?.expression ?? ''))
      return { content: [{ type: 'text', text: String(value) }], structuredContent: { value } }
    } catch (error) {
      return { content: [{ type: 'text', text: error.message }], isError: true }
    }
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === '') continue
  let message
  try {
    message = JSON.parse(line)
  } catch {
    send({ id: null, error: { code: -32700, message: 'This is not JSON.' } })
    continue
  }
  if (message.id === undefined || message.method === undefined) continue // a notification or an answer
  try {
    if (!Object.hasOwn(methods, message.method)) throw Object.assign(new Error(`There is no method '${message.method}'.`), { code: -32601 })
    send({ id: message.id, result: methods[message.method](message.params ?? {}) })
  } catch (error) {
    send({ id: message.id, error: { code: error.code ?? -32603, message: error.message } })
  }
}

function send(message) {
  process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\n')
}
