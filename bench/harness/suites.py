"""The suites. Each yields measurements: {suite, case, sides: {name: [result a round]}} or {suite, case, values}."""
import json, os, statistics, subprocess, time
from . import processes, targets
from .targets import Wrong

K10, M1 = 10 * 1024, 1024 * 1024


class Bench:
    """Targets that suites share: started by the first that needs one, and warm from then on."""

    def __init__(self, q, data):
        self.q, self.data, self._made, self._warm = q, data, {}, set()

    def _once(self, key, make):
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    product = property(lambda self: self._once('product', lambda: targets.Mcpcan(os.path.join(self.data, 'mcpcan'))))
    bare = property(lambda self: self._once('bare', targets.bare_bridge))
    http = property(lambda self: self._once('http', targets.http_server))
    yarp = property(lambda self: self._once('yarp', lambda: targets.yarp(self.http)))
    bridge = property(lambda self: self._once('bridge', lambda: targets.bridge(self.data)))
    stdio_instance = property(lambda self: self._once('stdio', lambda: self.product.managed()))
    stdio = property(lambda self: self._once('stdio-target', lambda: self.product.target(self.stdio_instance)))
    sse = property(lambda self: self._once('sse-target', lambda: self.product.target(self.stdio_instance, mode='sse')))
    proxy = property(lambda self: self._once('proxy-target', lambda: self.product.target(self.product.proxied(self.http))))
    proxied_bridge = property(lambda self: self._once('proxied-bridge', lambda: self.product.target(self.product.proxied(self.bridge, 'remote-stream'))))

    def stop(self):
        for program in list(targets.children)[::-1]:
            program.stop()

    def warm(self, *some):
        """Compiled hot paths on all sides before anything counts: until a call costs no less than two seconds before."""
        for t in some:
            if t in self._warm:
                continue
            end, chunk, costs = time.monotonic() + self.q.prewarm, min(2, self.q.prewarm), []
            while True:
                costs.append(t.run('--sessions', 16, '--secs', chunk, '--warmup', 0)['cpu_us'])
                if len(costs) > 2 and costs[-1] > 0.97 * costs[-2] or time.monotonic() + chunk > end:
                    break
            self._warm.add(t)

    def side_by_side(self, suite, case, base, ours, load, *more):
        """Rounds in which each side is loaded once; the order turns, so that drift falls on all alike."""
        sides = [base, ours, *more]
        self.warm(*sides)
        rows = {t.name: [] for t in sides}
        for i in range(self.q.rounds):
            for t in sides if i % 2 == 0 else sides[::-1]:
                rows[t.name].append(load(t))
        return {'suite': suite, 'case': case, 'base': base.name, 'sides': rows}


def _cases(b, suite, base, ours, *more):
    for n in b.q.sessions:
        yield b.side_by_side(suite, f'{n} sessions, 100 B', base, ours, lambda t: t.load(n, b.q.secs), *more)


def _payloads(b, suite, base, ours):
    for n, size, name in ((16, K10, '10 KB'), (4, M1, '1 MB')):
        yield b.side_by_side(suite, f'{n} sessions, {name}', base, ours, lambda t: t.load(n, b.q.secs, size))


def stdio(b):
    yield from _cases(b, 'stdio', b.bare, b.stdio)


def stdio_payload(b):
    yield from _payloads(b, 'stdio-payload', b.bare, b.stdio)


def sse(b):
    yield from _cases(b, 'sse', b.bare, b.sse)


def proxy(b):
    yield from _cases(b, 'proxy', b.yarp, b.proxy, b.http)


def proxy_payload(b):
    yield from _payloads(b, 'proxy-payload', b.yarp, b.proxy)


def slow(b):
    """A call of 400 ms beside quick ones in one session; the quick ones are measured."""
    yield b.side_by_side('slow', '400 ms call beside quick calls', b.bare, b.stdio, lambda t: t.load(1, b.q.secs, 100, 0.5, '--lanes', 2, '--sleep-ms', 400))


def stream(b):
    for name, t in (('stdio', b.stdio), ('HTTP+SSE client', b.sse), ('proxy mode', b.proxied_bridge)):
        t.stream(10_000, 2)  # warm
        for calls, case in ((1, 'one call'), (10, 'ten calls one after the other')):
            rows = [t.stream(10_000, calls) for _ in range(b.q.rounds)]
            yield {'suite': 'stream', 'case': f'{name}, {case}', 'base': None, 'sides': {'MCPCAN': rows}}


def idle(b):
    """Memory of an idle session: between few open sessions and many, so that what is made once does not count."""
    b.warm(b.stdio)
    for stream in (False, True):  # a session's last call leaves its connection open; its GET stream is a second one
        each = _idle(b, stream)
        total = sum(v for k, v in each.items() if k != 'child KiB')
        case = f'{b.q.idle} idle sessions, ' + ('each with its GET stream' if stream else 'without streams')
        yield {'suite': 'idle', 'case': case, 'values': {'KiB a session': total, **dict(sorted(each.items())), 'wrong': 0}}


def _idle(b, stream):
    many, few = b.q.idle, max(1, b.q.idle // 10)
    holders, seen, files = [], [], []
    try:
        for n in (few, many - few):
            p = b.stdio.start('--op', 'idle', *['--get-stream'][:stream], '--sessions', n, '--timeout', 60)
            holders.append(p)
            ready = p.stdout.readline().split()
            if ready[:3] != ['READY', str(n), '0']:
                raise Wrong(f'idle sessions: {ready}')
            time.sleep(b.q.settle)
            kinds = b.product.by_name()
            seen.append({kind: processes.memory(pids)[0] for kind, pids in kinds.items()})
            files.append(processes.handles(kinds['gateway'])[0])
    finally:
        for p in holders:
            p.communicate('\n')
    if files[1] - files[0] < (1.9 if stream else 0.9) * (many - few):
        raise Wrong(f'idle sessions: {files[1] - files[0]} connections more for {many - few} sessions')
    return {f'{kind} KiB': (seen[1][kind] - seen[0].get(kind, 0)) * 1024 / (many - few) for kind in seen[1]}


def many(b):
    """Many servers on one host that nobody uses: memory of each beyond its own server, time to list them, processor time at rest with probes."""
    product = targets.Mcpcan(os.path.join(b.data, 'many'), probe_seconds=60)
    try:
        first = product.managed('first')
        time.sleep(b.q.settle)
        before = _pss(product)
        begin = time.monotonic()
        for made in [product.ordered(f'server {n}') for n in range(b.q.many)]:
            product.running(made)
        up = time.monotonic() - begin
        time.sleep(b.q.settle)
        pids = [p for kind, some in product.by_name().items() if kind != 'child' for p in some]
        used, begin = processes.cpu(pids), time.monotonic()
        time.sleep(b.q.rest)
        rest = (processes.cpu(pids) - used) / (time.monotonic() - begin)
        after = _pss(product)
        lists = sorted(_timed(lambda: _whole(product.call('GET', '/instances?limit=200'), b.q.many + 1)) for _ in range(21))
        each = {f'{kind} MiB each': (after[kind] - before.get(kind, 0)) / b.q.many for kind in sorted(after)}
        wrong = _right(product.target(first).run('--sessions', 1, '--secs', 0.2, '--warmup', 0), 'after all') and 0
        yield {'suite': 'many', 'case': f'{b.q.many} idle servers more', 'values': {
            'MiB each': sum(v for k, v in each.items() if k != 'child MiB each'), **each, 'gateway MiB': after['gateway'],
            's until all run': up, 'ms to list them, median': lists[10] * 1000, '% of a core at rest': rest * 100, 'wrong': wrong}}
    finally:
        product.stop()


def _pss(product):
    return {kind: processes.memory(pids)[0] for kind, pids in product.by_name().items()}


def _timed(call):
    begin = time.monotonic()
    call()
    return time.monotonic() - begin


def _whole(page, count):
    if len(page['items']) != count:
        raise Wrong(f'{len(page["items"])} instances listed, not {count}')


def cold(b):
    """The bridge alone: from its start to the first list of tools, and what it holds when idle."""
    for i in range(b.q.rounds + 1):
        t = targets.bridge(b.data, wait=False)
        try:
            r = subprocess.run(t.command('--op', 'cold', '--t0', f'{t.program.started:.6f}'), capture_output=True, text=True)
            if r.returncode:
                raise Wrong(f'cold bridge: {r.stdout}{r.stderr}')
            time.sleep(b.q.settle)
            pids = [p for p, name in t.program.processes().items() if name != processes.CHILD]
            pss, rss, private = processes.memory(pids)
            files, threads = processes.handles(pids)
            ms = float(r.stdout.split('"cold_ms":')[1].split(',')[0])
        finally:
            t.program.stop()
        if i:  # the first run reads the program from disk
            yield {'suite': 'cold', 'case': f'bridge, run {i}', 'values': {'cold ms': ms, 'PSS MiB': pss, 'RSS MiB': rss, 'private MiB': private, 'files': files, 'threads': threads, 'wrong': 0}}


def soak(b):
    """Low load of every kind and sessions that come and go, for long: memory, handles and processes stay as they are."""
    loaders = [(t, t.start('--sessions', 8, '--rate', b.q.rate, '--secs', b.q.soak, '--warmup', 1)) for t in (b.stdio, b.sse, b.proxy)]
    begin, samples, churned = time.monotonic(), [], 0
    step = max(0.5, min(5, b.q.soak / 60))
    while any(p.poll() is None for _, p in loaders) and time.monotonic() < begin + b.q.soak + 60:
        for t in (b.stdio, b.sse, b.proxy):
            churned += _right(t.run('--sessions', 10, '--secs', 0.1, '--warmup', 0), 'short sessions')
        churned += _right(b.stdio.stream(200, 1), 'short stream')
        time.sleep(step)
        if time.monotonic() > begin + b.q.soak:
            break
        row = {'at': time.monotonic() - begin}
        for kind, pids in b.product.by_name().items():
            row[f'{kind} RSS MiB'] = processes.memory(pids)[1]
            row[f'{kind} files'], row[f'{kind} threads'] = processes.handles(pids)
            row[f'{kind} processes'] = len(pids)
        samples.append(row)
    wrong = calls = 0
    for t, p in loaders:
        result = json.loads([line for line in p.stdout if line.startswith('{')][-1])
        p.wait()
        calls += result['ok']
        wrong += sum(result.get(k, 0) for k in targets.WRONG)
    yield {'suite': 'soak', 'case': f'{b.q.soak:.0f} s', 'values': {'calls': calls, 'short calls': churned, 'wrong': wrong, **_flat(samples)}, 'samples': samples}


def _right(result, what):
    if result['wrong']:
        raise Wrong(f'{what}: {result}')
    return result['ok']


def _flat(samples):
    """First and last part of the time compared, after a third for the start: what may grow, and whether it did."""
    late = samples[len(samples) // 3:]
    third = max(1, len(late) // 3)
    values, flat = {}, True
    for key in sorted(late[-1].keys() - {'at'}):
        first, last = (statistics.median(s.get(key, 0) for s in part) for part in (late[:third], late[-third:]))
        values[f'{key} first'], values[f'{key} last'] = first, last
        room = max(16, 0.15 * first) if 'MiB' in key else 0 if 'processes' in key else 8
        flat &= last <= first + room
    return {**values, 'flat': flat}


ALL = {f.__name__.replace('_', '-'): f for f in (stdio, stdio_payload, sse, proxy, proxy_payload, slow, stream, idle, many, cold, soak)}
