"""What is in a folder: its mcpcan.json, and what can be told from its files."""
import json
import os
import re

from mcpcan.errors import Failure
from mcpcan.pack import read, root

SETTINGS_FILE = "mcpcan.json"


def is_text(value):
    return isinstance(value, str)


def is_texts(value):
    return isinstance(value, list) and all(map(is_text, value))


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


SHAPES = {
    "$schema": ("a text", is_text),
    "name": ("a text", is_text),
    "environment": ("a text", is_text),
    "install": ("a list of texts", is_texts),
    "start": ("a list of texts", is_texts),
    "env": ("an object with texts", lambda v: isinstance(v, dict) and all(map(is_text, v.values()))),
    "secrets": ("a list of names", is_texts),
    "processes": ("'per-session', 'shared' or 'per-principal'", lambda v: v in ("per-session", "shared", "per-principal")),
    "limits": ("an object with numbers", lambda v: isinstance(v, dict) and all(map(is_number, v.values()))),
}


def settings(folder):
    """The settings of mcpcan.json; an empty dictionary without one."""
    text = read(os.path.join(root(folder), SETTINGS_FILE))
    if text is None:
        return {}
    try:
        value = json.loads(text.lstrip("\ufeff"))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Failure(f"{SETTINGS_FILE} is not a valid JSON object.", code="bad-settings")
    lines = []
    for name, given in value.items():
        if name not in SHAPES:
            lines.append(f"{name}: There is no such setting. Known are: {', '.join(list(SHAPES)[1:])}.")
        elif not SHAPES[name][1](given):
            lines.append(f"{name}: Must be {SHAPES[name][0]}.")
    if lines:
        raise Failure(f"{SETTINGS_FILE} has settings that are not understood.", code="bad-settings", lines=lines)
    return value


def detect(folder):
    """Language and name of the project; None when none is recognised."""
    top = root(folder)
    names = os.listdir(top)
    fallback = os.path.basename(top) or "server"
    if "package.json" in names:
        try:
            about = json.loads(read(os.path.join(top, "package.json")))
        except (ValueError, TypeError):
            about = {}  # the server says more about it
        about = about if isinstance(about, dict) else {}
        typescript = "tsconfig.json" in names or any("typescript" in (about.get(kind) or {}) for kind in ("devDependencies", "dependencies"))
        name = about.get("name")
        return ("TypeScript" if typescript else "Node"), (name.split("/")[-1] if is_text(name) and name else fallback)
    if any(n in ("pyproject.toml", "requirements.txt", "setup.py") or n.endswith(".py") for n in names):
        toml = (read(os.path.join(top, "pyproject.toml")) or "").replace("\r\n", "\n")
        found = re.search(r"""^\[project\]\s*?\n(?:(?!\[).*\n)*?name\s*=\s*["']([^"'\n]+)["']""", toml, re.M)
        return "Python", found.group(1) if found else fallback
    if any(re.search(r"\.[mc]?ts$", n) for n in names):
        return "TypeScript", fallback
    if any(re.search(r"\.[mc]?js$", n) for n in names):
        return "Node", fallback
    return None


def name_of(folder, own, option):
    """The name that it is deployed under."""
    found = detect(folder)
    return option or own.get("name") or (found[1] if found else os.path.basename(root(folder)))
