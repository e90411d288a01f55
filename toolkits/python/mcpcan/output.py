"""What people and scripts read: results on stdout, what happens meanwhile on stderr."""
import json
import math
import re
import sys


class output:
    json = False


def say(text=""):
    """A result for people; nothing with --json."""
    if not output.json:
        write(text + "\n")


def write(text):
    sys.stdout.write(text)
    sys.stdout.flush()


def note(text):
    """What happens meanwhile."""
    if not output.json:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def warn(text):
    sys.stderr.write(f"mcpcan: {text}\n")
    sys.stderr.flush()


def result(value):
    """The result for scripts; nothing without --json."""
    if output.json:
        write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def event(value):
    """One event of many for scripts: one JSON object a line."""
    if output.json:
        write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def plain(text):
    """Text of a server as it may be shown on a terminal: control characters do nothing there."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]", "", str(text)))


def table(head, rows):
    widths = [max([len(name)] + [len(row[i]) for row in rows]) for i, name in enumerate(head)]
    for row in [head, *rows]:
        say("  ".join(cell if i == len(row) - 1 else cell.ljust(widths[i]) for i, cell in enumerate(row)))


def size(count):
    if count < 1024:
        return f"{count} bytes"
    return f"{math.ceil(count / 1024)} KiB" if count < 1024 * 1024 else f"{count / 1024 / 1024:.1f} MiB"


def progress(label, total):
    """A bar on a terminal, nothing elsewhere."""
    if output.json or not sys.stderr.isatty():
        return lambda done: None
    shown = [-1]

    def show(done):
        percent = done * 100 // total if total else 100
        if percent == shown[0]:
            return
        shown[0] = percent
        full = percent // 4
        sys.stderr.write(f"\r{label} [{'#' * full}{'.' * (25 - full)}] {percent:3} %" + ("\n" if percent == 100 else ""))
        sys.stderr.flush()

    return show
