import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../errors.js';
import { result, say } from '../output.js';
import { detect, settingsFile } from '../project.js';
import { stored } from '../settings.js';

export default {
  name: 'init',
  args: ['folder?'],
  summary: 'Recognise the project in a folder and write its mcpcan.json',
  options: {
    name: { value: 'NAME', help: "the server's name; the project's unless given" },
    force: { help: 'write over a mcpcan.json that is there' },
  },
  async run(options, [folder = '.']) {
    const found = detect(folder);
    if (!found) throw new Failure(`No Node, TypeScript or Python project is recognised in '${folder}': there is no package.json, pyproject.toml, requirements.txt, and no .js, .ts or .py file.`, { code: 'no-project' });
    const file = join(folder, settingsFile);
    if (existsSync(file) && !options.force) throw new Failure(`There is a ${settingsFile} already. Write over it with --force.`, { code: 'exists' });
    const name = options.name ?? found.name;
    const server = process.env.MCPCAN_URL || stored().url || 'http://127.0.0.1:7300';
    writeFileSync(file, JSON.stringify({ $schema: `${server.replace(/\/+$/, '')}/schemas/mcpcan.json`, name }, null, 2) + '\n');
    say(`Wrote ${settingsFile}: a ${found.language} project named '${name}'.`);
    say('Deploy it with: mcpcan deploy');
    result({ file, name, language: found.language });
  },
};
