"""Asks the person at the terminal. Scripts have none: they give options instead."""
import getpass
import os
import sys


def at_terminal():
    return sys.stdin.isatty() and sys.stderr.isatty() and not os.environ.get("CI")


def ask(question, hidden=False):
    if hidden:
        return getpass.getpass(question, sys.stderr).strip()
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def piped():
    """The first line of what is piped in."""
    return sys.stdin.readline().strip("\ufeff \t\r\n")
