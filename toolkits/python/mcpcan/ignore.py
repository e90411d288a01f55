"""Which files are left out: the rules of .gitignore, by patterns of the folder and of folders in it."""
import re

ALWAYS = [
    ".git/", ".hg/", ".svn/", "node_modules/", ".venv/", "venv/", "__pycache__/", "*.py[co]", ".env", ".env.*", "!.env.example", ".npmrc", ".pypirc", ".netrc",
    ".DS_Store", "Thumbs.db", ".idea/", ".vscode/", ".pytest_cache/", ".mypy_cache/", ".ruff_cache/", ".tox/", "npm-debug.log*",
]


class Ignore:
    def __init__(self):
        self._rules = []
        self.add("\n".join(ALWAYS), "")

    def add(self, text, base):
        """base: folder of the patterns, empty or ending in a slash."""
        for line in re.split(r"\r?\n", text.lstrip("\ufeff")):
            if not line or line.startswith("#"):
                continue
            line = re.sub(r"(?<!\\) +$", "", line)
            negated = line.startswith("!")
            if negated:
                line = line[1:]
            folder = line.endswith("/")
            if folder:
                line = line[:-1]
            anchored = "/" in line
            if line.startswith("/"):
                line = line[1:]
            if line:
                self._rules.append((base, negated, folder, re.compile(("" if anchored else "(?:.*/)?") + form(line), re.S)))

    def leaves(self, path, is_folder):
        """The last rule that fits decides. path: with slashes, from the top."""
        out = False
        for base, negated, folder, pattern in self._rules:
            if (not folder or is_folder) and path.startswith(base) and pattern.fullmatch(path[len(base):]):
                out = not negated
        return out


def form(pattern):
    out, i = "", 0
    while i < len(pattern):
        c = pattern[i]
        starts = i == 0 or pattern[i - 1] == "/"
        if starts and pattern.startswith("**/", i):
            out += "(?:.*/)?"
            i += 2
        elif starts and pattern[i:] == "**":
            out += ".+"
            i += 1
        elif c == "*":
            while pattern[i + 1:i + 2] == "*":
                i += 1
            out += "[^/]*"
        elif c == "?":
            out += "[^/]"
        elif c == "[" and pattern.find("]", i + 2) > 0:
            end = pattern.index("]", i + 2)
            inside = pattern[i + 1:end].replace("\\", "\\\\").replace("[", "\\[")
            out += f"[^/{inside[1:]}]" if inside[0] in "!^" else f"[{inside}]"
            i = end
        else:
            if c == "\\" and i + 1 < len(pattern):
                i += 1
                c = pattern[i]
            out += re.escape(c)
        i += 1
    return out
