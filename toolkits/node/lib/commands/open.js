import { spawn } from 'node:child_process';
import { Api } from '../api.js';
import { result, say } from '../output.js';

export default {
  name: 'open',
  args: ['instance'],
  summary: "Print the address of a server's page in the console, and open it where there is a browser",
  options: { 'no-browser': { help: 'only print it' } },
  async run(options, [name]) {
    const api = new Api();
    const url = api.console(await api.instance(name));
    say(url);
    result({ url });
    if (!options['no-browser'] && process.stdout.isTTY && !process.env.CI) browse(url);
  },
};

function browse(url) {
  const [program, ...args] = { win32: ['rundll32', 'url.dll,FileProtocolHandler'], darwin: ['open'] }[process.platform] ?? ['xdg-open'];
  if (program === 'xdg-open' && !process.env.DISPLAY && !process.env.WAYLAND_DISPLAY) return;
  spawn(program, [...args, url], { stdio: 'ignore', detached: true }).on('error', () => {}).unref();
}
