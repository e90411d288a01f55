"""What has changed in a folder since it was looked at last. Looking is by size and time of change, which works on every file system."""
from dataclasses import dataclass
from typing import List

from mcpcan.pack import File, collect


@dataclass
class Change:
    paths: List[str]
    files: List[File]
    changed: List[File]
    removed: List[str]
    modes: bool


class Watch:
    def __init__(self, folder):
        self._folder = folder
        self._known = self._last = self._look()

    def _look(self):
        return {f.path: f for f in collect(self._folder)}

    @property
    def pending(self):
        """Whether there is something that was not taken yet."""
        return bool(differences(self._known, self._look()))

    def take(self):
        """The changes, once they have come to rest: the same at two looks. None when there are none."""
        now = self._look()
        rests = not differences(self._last, now)
        self._last = now
        paths = differences(self._known, now) if rests else []
        if not paths:
            return None
        before, self._known = self._known, now
        changed = [now[p] for p in paths if p in now]
        modes = any(f.executable != (before[f.path].executable if f.path in before else False) for f in changed)
        return Change(paths, list(now.values()), changed, [p for p in paths if p not in now], modes)


def differences(a, b):
    return sorted(path for path in {*a, *b} if a.get(path) != b.get(path))
