"""The folder's files, and the archive of them."""
import os
import stat as modes
import tarfile
from dataclasses import dataclass

from mcpcan.errors import Failure
from mcpcan.ignore import Ignore


@dataclass(frozen=True)
class File:
    """path: with slashes, from the top. mtime: in nanoseconds."""

    path: str
    file: str
    size: int
    mtime: int
    executable: bool


def collect(folder, skipped=None):
    """All files that are sent. skipped gets links that lead out."""
    top = root(folder)
    own = read(os.path.join(top, ".mcpcanignore")) is not None
    ignore = Ignore()
    files = []

    def walk(at, base):
        rules = read(os.path.join(at, ".mcpcanignore" if own else ".gitignore"))
        if rules is not None:
            ignore.add(rules, base)
        with os.scandir(at) as entries:
            for entry in list(entries):
                path = base + entry.name
                is_folder = entry.is_dir(follow_symlinks=False)
                if ignore.leaves(path, is_folder):
                    continue
                if is_folder:
                    walk(entry.path, path + "/")
                    continue
                found = inside(entry.path) if entry.is_symlink() else status(entry.path)
                if found:
                    files.append(File(path, entry.path, found.st_size, found.st_mtime_ns, os.name != "nt" and found.st_mode & 0o100 != 0))
                elif entry.is_symlink() and skipped is not None:
                    skipped.append(path)

    def inside(file):
        """A link to a file of the folder is sent as that file."""
        target = os.path.realpath(file)
        return status(target) if target.startswith(top + os.sep) else None

    walk(top, "")
    return sorted(files, key=lambda f: f.path)


def status(file):
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found if modes.S_ISREG(found.st_mode) else None


def root(folder):
    if not os.path.isdir(folder):
        raise Failure(f"'{folder}' is a file. Give the folder that it is in." if os.path.exists(folder) else f"There is no folder '{folder}'.", code="no-folder")
    return os.path.realpath(folder)


def read(file):
    try:
        with open(file, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return None


def pack(files, target):
    """Writes a .tar.gz and answers its size."""
    with tarfile.open(target, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for entry in files:
            info = tarfile.TarInfo(entry.path)
            info.size, info.mtime, info.mode = entry.size, entry.mtime // 1_000_000_000, 0o755 if entry.executable else 0o644
            try:
                with open(entry.file, "rb") as content:
                    archive.addfile(info, content)
            except OSError:
                raise Failure(f"'{entry.path}' was changed while it was packed. Try again.", code="changed") from None
    return os.path.getsize(target)
