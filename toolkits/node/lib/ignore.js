// Which files are left out: the rules of .gitignore, by patterns of the folder and of folders in it.

const always = [
  '.git/', '.hg/', '.svn/', 'node_modules/', '.venv/', 'venv/', '__pycache__/', '*.py[co]', '.env', '.env.*', '!.env.example', '.npmrc', '.pypirc', '.netrc',
  '.DS_Store', 'Thumbs.db', '.idea/', '.vscode/', '.pytest_cache/', '.mypy_cache/', '.ruff_cache/', '.tox/', 'npm-debug.log*',
];

export class Ignore {
  #rules = [];

  constructor() { this.add(always.join('\n'), ''); }

  /** @param base folder of the patterns, '' or ending in a slash */
  add(text, base) {
    for (let line of text.replace(/^\ufeff/, '').split(/\r?\n/)) {
      if (!line || line.startsWith('#')) continue;
      line = line.replace(/(?<!\\) +$/, '');
      const negated = line.startsWith('!');
      if (negated) line = line.slice(1);
      const folder = line.endsWith('/');
      if (folder) line = line.slice(0, -1);
      const anchored = line.includes('/');
      if (line.startsWith('/')) line = line.slice(1);
      if (line) this.#rules.push({ base, negated, folder, form: new RegExp(`^${anchored ? '' : '(?:.*/)?'}${form(line)}$`) });
    }
  }

  /** The last rule that fits decides. @param path with slashes, from the top */
  leaves(path, isFolder) {
    let out = false;
    for (const { base, negated, folder, form } of this.#rules) {
      if ((!folder || isFolder) && path.startsWith(base) && form.test(path.slice(base.length))) out = !negated;
    }
    return out;
  }
}

function form(pattern) {
  let out = '';
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i];
    if (pattern.startsWith('**/', i) && (i === 0 || pattern[i - 1] === '/')) { out += '(?:.*/)?'; i += 2; }
    else if (pattern.slice(i) === '**' && (i === 0 || pattern[i - 1] === '/')) { out += '.+'; i++; }
    else if (c === '*') { while (pattern[i + 1] === '*') i++; out += '[^/]*'; }
    else if (c === '?') out += '[^/]';
    else if (c === '[' && pattern.indexOf(']', i + 2) > 0) {
      const end = pattern.indexOf(']', i + 2);
      const inside = pattern.slice(i + 1, end).replaceAll('\\', '\\\\').replaceAll('[', '\\[');
      out += inside.startsWith('!') || inside.startsWith('^') ? `[^/${inside.slice(1)}]` : `[${inside}]`;
      i = end;
    }
    else out += escape(c === '\\' && i + 1 < pattern.length ? pattern[++i] : c);
  }
  return out;
}

const escape = c => (/[\\^$.*+?()[\]{}|/]/.test(c) ? `\\${c}` : c);
