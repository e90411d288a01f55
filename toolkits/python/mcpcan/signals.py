"""Ctrl-C and SIGTERM end what would go on for ever, and that is no failure."""
import signal
from contextlib import contextmanager


def end(*_):
    raise KeyboardInterrupt


@contextmanager
def interrupted():
    """The work goes on until its end or until the person ends it."""
    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), end)
    try:
        yield
    except KeyboardInterrupt:
        pass
