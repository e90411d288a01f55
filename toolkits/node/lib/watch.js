// What has changed in a folder since it was looked at last. Looking is by size and time of change, which works on every file system.
import { collect } from './pack.js';

export class Watch {
  #folder; #known; #last;

  constructor(folder) {
    this.#folder = folder;
    this.#known = this.#last = this.#look();
  }

  #look() { return new Map(collect(this.#folder).map(f => [f.path, f])); }

  /** Whether there is something that was not taken yet. */
  get pending() { return differences(this.#known, this.#look()).length > 0; }

  /** The changes, once they have come to rest: the same at two looks. Null when there are none. */
  take() {
    const now = this.#look();
    const rests = differences(this.#last, now).length === 0;
    this.#last = now;
    const changed = rests ? differences(this.#known, now) : [];
    if (changed.length === 0) return null;
    const before = this.#known;
    this.#known = now;
    return { paths: changed, files: [...now.values()], changed: changed.filter(p => now.has(p)).map(p => now.get(p)), removed: changed.filter(p => !now.has(p)), modes: changed.some(p => now.get(p)?.executable !== (before.get(p)?.executable ?? false) && now.has(p)) };
  }
}

function differences(a, b) {
  const same = (x, y) => x && y && x.size === y.size && x.mtime === y.mtime && x.executable === y.executable;
  return [...new Set([...a.keys(), ...b.keys()])].filter(path => !same(a.get(path), b.get(path))).sort();
}
