"""What goes wrong, in words for people, and the exit code that says it to scripts."""
import json

OK, FAILED, USAGE, DENIED, NOT_FOUND, TIMEOUT, UNREACHABLE = range(7)


class Failure(Exception):
    """lines: more lines below the message: fields that are wrong, last lines of a log."""

    def __init__(self, message, exit=FAILED, code="failed", lines=(), errors=None, status=None):
        super().__init__(message)
        self.message, self.exit, self.code, self.lines, self.errors, self.status = message, exit, code, list(lines), errors, status


def usage(message):
    return Failure(message, exit=USAGE, code="usage")


def timed_out(message):
    return Failure(message, exit=TIMEOUT, code="timeout")


def problem(status, text, url):
    """From an answer with problem details (RFC 9457), or whatever else was answered."""
    try:
        body = json.loads(text)
    except ValueError:
        body = {}  # no problem details: a proxy's page, for example
    if not isinstance(body, dict):
        body = {}
    exit = DENIED if status in (401, 403) else NOT_FOUND if status == 404 else FAILED
    message = body.get("detail") or body.get("title") or f"{url} answered {status}. Is that the address of MCPCAN?"
    if status == 401:
        message = f"The API key is not valid at {url}. Sign in with: mcpcan login"
    errors = body.get("errors")
    lines = [f"{field}: {t}" for field, texts in (errors or {}).items() for t in (texts if isinstance(texts, list) else [texts]) if t not in message]
    return Failure(message, exit=exit, code=body.get("code") or f"http-{status}", lines=lines, errors=errors, status=status)
