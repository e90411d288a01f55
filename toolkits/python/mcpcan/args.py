"""Reads a command's arguments by its description."""
import re
from dataclasses import dataclass, field
from typing import Callable, Dict, List, Optional

from mcpcan.errors import usage


@dataclass
class Option:
    help: str
    value: Optional[str] = None
    short: Optional[str] = None
    many: bool = False


@dataclass
class Command:
    """args: their names; one that ends in ? may be left out."""

    name: str
    summary: str
    run: Callable
    args: List[str] = field(default_factory=list)
    options: Dict[str, Option] = field(default_factory=dict)
    more: List[str] = field(default_factory=list)


COMMON = {"json": Option("machine-readable output"), "help": Option("this text", short="h")}


def parse(command, argv):
    known = {**command.options, **COMMON}
    options, args = {}, []
    rest, only = list(argv), False
    while rest:
        text = rest.pop(0)
        if only or text == "-" or not text.startswith("-"):
            args.append(text)
            continue
        if text == "--":
            only = True
            continue
        flag, inline = text.split("=", 1) if text.startswith("--") and "=" in text else (text, None)
        name = flag[2:] if flag.startswith("--") else next((n for n, o in known.items() if o.short == flag[1:]), None)
        option = known.get(name)
        if option is None:
            raise usage(f"There is no option {flag}. See: mcpcan {command.name} --help")
        if not option.value:
            if inline is not None:
                raise usage(f"{flag} takes no value.")
            options[name] = True
            continue
        value = inline if inline is not None else rest.pop(0) if rest else None
        if value is None:
            raise usage(f"{flag} needs a value: {flag} {option.value}")
        if option.many:
            options.setdefault(name, []).append(value)
        else:
            options[name] = value
    if not options.get("help"):
        count(command, args)
    return options, args


def count(command, args):
    least = len([n for n in command.args if not n.endswith("?")])
    if len(args) < least:
        raise usage(f"Missing: {command.args[len(args)].upper()}. See: mcpcan {command.name} --help")
    if len(args) > len(command.args):
        raise usage(f"Too many arguments: {' '.join(args[len(command.args):])}. See: mcpcan {command.name} --help")


def pairs(texts, option):
    """K=V pairs as a dictionary."""
    out = {}
    for text in texts or []:
        name, sign, value = text.partition("=")
        if not name or not sign:
            raise usage(f"{option} takes NAME=VALUE, not '{text}'.")
        out[name] = value
    return out


def number(text, option, fallback=None):
    if text is None:
        return fallback
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise usage(f"{option} takes a whole number, not '{text}'.")
    return int(text)
