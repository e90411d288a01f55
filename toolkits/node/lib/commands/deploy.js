import { Api } from '../api.js';
import { number } from '../args.js';
import { bring, deployOptions, firstToken, plan } from '../deployment.js';
import { result, say } from '../output.js';

export default {
  name: 'deploy',
  args: ['folder?'],
  summary: 'Run a folder as an MCP server; done again, deploy its next version',
  more: [
    'Left out are what .mcpcanignore (else .gitignore) says, node_modules, .git, .venv, .env and the like.',
    'A version of a running server is started beside it and takes over once it answers.',
  ],
  options: {
    ...deployOptions,
    'no-token': { help: 'make no token at the first deploy' },
    client: { value: 'CLIENT', help: 'client for which the settings are shown: claude-code (default), cursor, vscode, codex, …' },
    notes: { value: 'TEXT', help: 'what is new in this version' },
    'no-wait': { help: 'do not wait until it runs' },
    timeout: { value: 'SECONDS', help: 'how long to wait (600)' },
  },
  async run(options, [folder = '.']) {
    const timeout = number(options.timeout, '--timeout', 600);
    const api = new Api();
    const wanted = plan(folder, options);
    const made = await bring(api, wanted, { wait: !options['no-wait'], timeout, notes: options.notes });
    const { instance, version } = made;
    // Before the token, which is shown only once: what fails after it would lose it.
    const config = await api.get(`/instances/${instance.id}/client-config?client=${encodeURIComponent(options.client ?? 'claude-code')}`);
    const token = options['no-token'] ? null : await firstToken(api, made);
    if (token) config.text = config.text.replaceAll('${MCPCAN_TOKEN}', token.value);
    say(options['no-wait'] ? `Version ${version} of '${instance.name}' is on its way. See: mcpcan logs ${instance.slug} -f` : `Version ${version} of '${instance.name}' runs.`);
    say(`  Address  ${api.address(instance)}`);
    if (token) say(`  Token    ${token.value}  (shown only now)`);
    else say(`  Token    make one with: mcpcan token create NAME --instance ${instance.slug}`);
    say(`  Console  ${api.console(instance)}`);
    say(`\nFor ${config.client}${config.file ? `, in ${config.file}` : ''}:\n\n${config.text}`);
    result({
      instance: { id: instance.id, name: instance.name, slug: instance.slug, state: instance.status.state }, created: made.created, package: made.package, version,
      address: api.address(instance), console: api.console(instance), token: token?.value ?? null, config,
    });
  },
};
