"""Finds the command, runs it, and turns failures into words and exit codes."""
import importlib
import io
import os
import sys
import traceback

from mcpcan import __version__
from mcpcan.args import COMMON, parse
from mcpcan.errors import FAILED, OK, Failure, usage
from mcpcan.output import output, result, warn

# In the order of the help text.
NAMES = ["login", "logout", "whoami", "init", "deploy", "dev", "list", "logs", "call", "connect", "open", "token", "rollback", "start", "stop", "restart", "delete", "apply", "export"]


def run():
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace", newline="\n")
    code = FAILED
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        code = OK  # who reads has enough
    except KeyboardInterrupt:
        code = 130
    finally:
        sys.stderr.flush()
    os._exit(code)  # threads that still read do not hold it up


def main(argv):
    output.json = "--json" in argv
    try:
        name, rest = (argv[0], argv[1:]) if argv else (None, [])
        if name in ("--version", "-v"):
            return show(__version__)
        if name in (None, "--help", "-h", "help"):
            return overview()
        if name not in NAMES:
            raise usage(f"There is no command '{name}'. See: mcpcan --help")
        command = load(name)
        options, args = parse(command, rest)
        output.json = options.get("json") is True
        if options.get("help"):
            return show(help_of(command))
        return command.run(options, args) or OK
    except Failure as error:
        if output.json:
            result({"error": {"code": error.code, "message": error.message, "lines": error.lines, "errors": error.errors}})
        else:
            warn(error.message)
            for line in error.lines:
                sys.stderr.write(f"  {line}\n")
        return error.exit
    except BrokenPipeError:
        raise
    except Exception as error:
        warn(traceback.format_exc() if os.environ.get("MCPCAN_DEBUG") else f"{error} (MCPCAN_DEBUG=1 shows where)")
        return FAILED


def load(name):
    return importlib.import_module(f"mcpcan.commands.{name}").command


def show(text):
    sys.stdout.write(text + "\n")
    return OK


def overview():
    return show("\n".join([
        "Usage: mcpcan COMMAND [options]", "", "Deploys a folder as an MCP server on MCPCAN, and looks after it.", "",
        *(f"  {c.name.ljust(10)}{c.summary}" for c in map(load, NAMES)), "",
        "`mcpcan COMMAND --help` says more. --json gives machine-readable output everywhere.",
        "The server and key come from MCPCAN_URL and MCPCAN_API_KEY, else from `mcpcan login`.",
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not signed in or not allowed, 4 not found, 5 timed out, 6 not reached.",
    ]))


def help_of(command):
    shown = [f"[{a[:-1].upper()}]" if a.endswith("?") else a.upper() for a in command.args]
    rows = [(f"{f'-{o.short}, ' if o.short else ''}--{name}{f' {o.value}' if o.value else ''}", o.help + (" (may be repeated)" if o.many else "")) for name, o in {**command.options, **COMMON}.items()]
    width = max(len(left) for left, _ in rows)
    return "\n".join([f"Usage: {' '.join(['mcpcan', command.name, *shown, '[options]'])}", "", f"{command.summary}.", *(["", *command.more] if command.more else []), "", *(f"  {left.ljust(width)}  {right}" for left, right in rows)])
