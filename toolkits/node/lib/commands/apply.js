import { readFileSync } from 'node:fs';
import { Api } from '../api.js';
import { exits, Failure, usage } from '../errors.js';
import { result, say } from '../output.js';

const words = { create: ['to create', 'created'], update: ['to change', 'changed'], none: ['as it should be', 'as it should be'], failed: ['not possible', 'failed'] };

export default {
  name: 'apply',
  summary: 'Bring the installation to what a file says',
  more: ['The file is JSON: { "environments", "templates", "instances", "tokens" }, as `mcpcan export` writes it. What it does not name is left alone.', 'Done twice, it changes nothing the second time. Needs a key of an administrator.'],
  options: {
    file: { short: 'f', value: 'FILE', help: 'the file; - for standard input' },
    plan: { help: 'only say what differs' },
  },
  async run(options) {
    if (!options.file) throw usage('Which file? Give -f FILE');
    const report = await new Api().call('PUT', `/state${options.plan ? '?plan=true' : ''}`, read(options.file));
    for (const { kind, name, action, fields, problem, value } of report.changes) {
      say(`${kind} ${name}: ${words[action][report.applied ? 1 : 0]}${action === 'update' ? ` (${fields.join(', ')})` : ''}${problem ? `: ${problem}` : ''}`);
      if (value) say(`  Token    ${value}  (shown only now)`);
    }
    if (report.changes.length === 0) say('The file names nothing.');
    result(report);
    return report.changes.some(c => c.action === 'failed') ? exits.failed : exits.ok;
  },
};

function read(file) {
  let text;
  try { text = readFileSync(file === '-' ? 0 : file, 'utf8'); } catch { throw usage(`'${file}' cannot be read.`); }
  try { return JSON.parse(text); } catch { throw new Failure(`'${file}' is not valid JSON.`, { code: 'bad-file' }); }
}
