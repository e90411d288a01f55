// Finds the command, runs it, and turns failures into words and exit codes.
import { readFileSync } from 'node:fs';
import { common, parse } from './args.js';
import { exits, Failure, usage } from './errors.js';
import { output, result, warn } from './output.js';

// In the order of the help text.
const names = ['login', 'logout', 'whoami', 'init', 'deploy', 'dev', 'list', 'logs', 'call', 'connect', 'open', 'token', 'rollback', 'start', 'stop', 'restart', 'delete', 'apply', 'export'];

export async function main(argv) {
  process.stdout.on('error', error => { if (error.code === 'EPIPE') process.exit(exits.ok); else throw error; });
  output.json = argv.includes('--json');
  try {
    const [name, ...rest] = argv;
    if (name === '--version' || name === '-v') return print(version());
    if (name === undefined || name === '--help' || name === '-h' || name === 'help') return await overview();
    if (!names.includes(name)) throw usage(`There is no command '${name}'. See: mcpcan --help`);
    const command = (await import(`./commands/${name}.js`)).default;
    const { options, args } = parse(command, rest);
    output.json = options.json === true;
    if (options.help) return print(help(command));
    return (await command.run(options, args)) ?? exits.ok;
  } catch (error) {
    if (!(error instanceof Failure)) {
      warn(process.env.MCPCAN_DEBUG ? error.stack : `${error.message} (MCPCAN_DEBUG=1 shows where)`);
      return exits.failed;
    }
    if (output.json) result({ error: { code: error.code, message: error.message, lines: error.lines, errors: error.errors ?? null } });
    else {
      warn(error.message);
      for (const line of error.lines) process.stderr.write(`  ${line}\n`);
    }
    return error.exit;
  }
}

function print(text) {
  process.stdout.write(text + '\n');
  return exits.ok;
}

export const version = () => JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;

async function overview() {
  const commands = await Promise.all(names.map(async name => (await import(`./commands/${name}.js`)).default));
  return print([
    'Usage: mcpcan COMMAND [options]', '', 'Deploys a folder as an MCP server on MCPCAN, and looks after it.', '',
    ...commands.map(c => `  ${c.name.padEnd(10)}${c.summary}`), '',
    '`mcpcan COMMAND --help` says more. --json gives machine-readable output everywhere.',
    'The server and key come from MCPCAN_URL and MCPCAN_API_KEY, else from `mcpcan login`.',
    'Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not signed in or not allowed, 4 not found, 5 timed out, 6 not reached.',
  ].join('\n'));
}

function help(command) {
  const shown = (command.args ?? []).map(a => (a.endsWith('?') ? `[${a.slice(0, -1).toUpperCase()}]` : a.endsWith('*') ? `[${a.slice(0, -1).toUpperCase()}...]` : a.toUpperCase()));
  const rows = Object.entries({ ...command.options, ...common }).map(([name, o]) => [`${o.short ? `-${o.short}, ` : ''}--${name}${o.value ? ` ${o.value}` : ''}`, o.help + (o.many ? ' (may be repeated)' : '')]);
  const width = Math.max(...rows.map(([left]) => left.length));
  return [`Usage: ${['mcpcan', command.name, ...shown, '[options]'].join(' ')}`, '', `${command.summary}.`, ...(command.more ? ['', ...command.more] : []), '', ...rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)].join('\n');
}
