"""Which MCPCAN, and as whom: from the environment, else from what `mcpcan login` kept."""
import json
import os
import sys
from urllib.parse import urlsplit

from mcpcan.errors import DENIED, Failure, usage


def file():
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        base = os.environ.get("APPDATA") or os.path.join(home, "AppData", "Roaming")
    elif sys.platform == "darwin":
        base = os.path.join(home, "Library", "Application Support")
    else:
        base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    return os.path.join(base, "mcpcan", "config.json")


def stored():
    try:
        with open(file(), encoding="utf-8") as f:
            kept = json.load(f)
        return kept if isinstance(kept, dict) else {}
    except (OSError, ValueError):
        return {}


def keep(settings):
    """Keeps address and key where only this user can read them."""
    path = file()
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    new = path + ".new"
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
        os.chmod(new, 0o600)  # it may have been there
        f.write(json.dumps(settings, indent=2) + "\n")
    os.replace(new, path)


def forget():
    try:
        os.remove(file())
    except FileNotFoundError:
        pass


def address(text):
    """An address without the slash at its end."""
    try:
        url = urlsplit(text)
        good = url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        good = False
    if not good:
        raise usage(f"'{text}' is no address. It begins with https:// or http://, for example http://127.0.0.1:7300")
    return text.rstrip("/")


def current():
    """Address and key; a kept key goes to no other address than its own."""
    kept = stored()
    url = address(os.environ["MCPCAN_URL"]) if os.environ.get("MCPCAN_URL") else kept.get("url")
    key = os.environ.get("MCPCAN_API_KEY") or (kept.get("apiKey") if url == kept.get("url") else None)
    if not url or not key:
        raise Failure(f"Not signed in{f' at {url}' if url else ''}. Run: mcpcan login (or set MCPCAN_URL and MCPCAN_API_KEY)", exit=DENIED, code="not-signed-in")
    return url, key
