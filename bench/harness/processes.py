"""Processes of a target: which they are, what they use."""
import ctypes, os, signal

TICK = os.sysconf('SC_CLK_TCK')
LOADER = 'mcpload'
CHILD = 'mcpecho'


def _stat(pid):
    with open(f'/proc/{pid}/stat') as f:
        text = f.read()
    rest = text[text.rindex(')') + 2:].split()
    return int(rest[1]), text[text.index('(') + 1:text.rindex(')')], (int(rest[11]) + int(rest[12])) / TICK


def marked(markers):
    """pid -> name of all processes that carry one of the markers, and of all below them.

    A workload's environment is cleared and its parent is gone, but the data folder stands in its sandbox's arguments.
    """
    every, found = {}, set()
    for d in os.listdir('/proc'):
        if not d.isdigit():
            continue
        try:
            every[int(d)] = _stat(d)
            for file in ('environ', 'cmdline'):
                with open(f'/proc/{d}/{file}', 'rb') as f:
                    text = f.read()
                if any(m.encode() in text for m in markers):
                    found.add(int(d))
        except (OSError, ValueError):
            pass
    found &= every.keys()
    grown = True
    while grown:
        more = {p for p, (parent, _, _) in every.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return {p: every[p][1] for p in found if every[p][1] != LOADER}


def cpu(pids):
    """Seconds of CPU of these processes so far."""
    total = 0.0
    for pid in pids:
        try:
            total += _stat(pid)[2]
        except (OSError, ValueError):
            pass
    return total


def busy():
    """Seconds that all cores of the machine have worked so far."""
    with open('/proc/stat') as f:
        v = [int(x) for x in f.readline().split()[1:]]
    return (sum(v[:8]) - v[3] - v[4] - v[7]) / TICK


def memory(pids):
    """(proportional, resident, private) MiB of these processes."""
    pss = rss = private = 0
    for pid in pids:
        try:
            with open(f'/proc/{pid}/smaps_rollup') as f:
                for line in f:
                    if line.startswith('Pss:'):
                        pss += int(line.split()[1])
                    elif line.startswith('Rss:'):
                        rss += int(line.split()[1])
                    elif line.startswith('Private_'):
                        private += int(line.split()[1])
        except OSError:
            pass
    return pss / 1024, rss / 1024, private / 1024


def handles(pids):
    """Open file descriptors and threads of these processes."""
    files = threads = 0
    for pid in pids:
        try:
            files += len(os.listdir(f'/proc/{pid}/fd'))
            threads += len(os.listdir(f'/proc/{pid}/task'))
        except OSError:
            pass
    return files, threads


def prepare_child():
    """For preexec_fn: what the bench starts does not outlive it, however it ends, and hears an interrupt even where the bench, in the background, does not."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
