// Asks the person at the terminal. Scripts have none: they give options instead.
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';

export const atTerminal = () => process.stdin.isTTY === true && process.stderr.isTTY === true && !process.env.CI;

export async function ask(question, { hidden = false } = {}) {
  if (hidden) process.stderr.write(question);
  const silent = new Writable({ write: (chunk, encoding, done) => done() });
  const reader = createInterface({ input: process.stdin, output: hidden ? silent : process.stderr, terminal: true });
  reader.on('SIGINT', () => process.exit(130));
  try { return (await reader.question(hidden ? '' : question)).trim(); } finally {
    reader.close();
    if (hidden) process.stderr.write('\n');
  }
}

/** The first line of what is piped in. */
export async function piped() {
  let text = '';
  for await (const part of process.stdin.setEncoding('utf8')) {
    text += part;
    if (text.includes('\n')) break;
  }
  return text.replace(/^\ufeff/, '').split('\n')[0].trim();
}
