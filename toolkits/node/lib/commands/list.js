import { Api } from '../api.js';
import { result, say, table } from '../output.js';

export default {
  name: 'list',
  summary: 'List the servers',
  options: { search: { value: 'TEXT', help: 'only those with this text in the name' } },
  async run(options) {
    const api = new Api();
    const items = await api.all(`/instances?sort=name${options.search ? `&search=${encodeURIComponent(options.search)}` : ''}`);
    if (items.length === 0) say('There are no servers. Deploy a folder with: mcpcan deploy');
    else table(['NAME', 'STATE', 'RUNS', 'ADDRESS'], items.map(i => [i.name, i.status.state, runs(i), api.address(i)]));
    result(items);
  },
};

function runs({ mode, source }) {
  if (mode !== 'managed') return mode;
  return source?.type === 'package' ? `version ${source.version ?? 'newest'}` : source?.type ?? mode;
}
