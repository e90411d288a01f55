"""Measurements as Markdown."""
import os, platform, statistics, subprocess
from .targets import ROOT, median


def machine():
    with open('/proc/cpuinfo') as f:
        model = next((line.split(':')[1].strip() for line in f if line.startswith('model name')), platform.machine())
    with open('/proc/meminfo') as f:
        memory = int(f.readline().split()[1]) / 1048576
    commit = subprocess.run(['git', '-C', ROOT, 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True).stdout.strip()
    return {'cpu': model, 'cores': os.cpu_count(), 'memory GiB': round(memory), 'kernel': platform.release(), 'commit': commit, 'load before': os.getloadavg()[0]}


def wrong(measurement):
    if 'values' in measurement:
        return measurement['values']['wrong']
    return sum(r['wrong'] for rows in measurement['sides'].values() for r in rows)


def quietest(m):
    """The half of the rounds in which the rest of the machine did least: chosen by that alone, not by what came out."""
    sides = m['sides']
    rounds = range(len(next(iter(sides.values()))))
    kept = sorted(sorted(rounds, key=lambda i: sum(rows[i]['others'] for rows in sides.values()))[:(len(rounds) + 1) // 2])
    return {**m, 'sides': {name: [rows[i] for i in kept] for name, rows in sides.items()}}


def ratio(m, field):
    """Median of the rounds' ratios, MCPCAN's to the base's."""
    pairs = [(a[field], b[field]) for a, b in zip(m['sides'][m['base']], m['sides']['MCPCAN']) if a[field]]
    return statistics.median(b / a for a, b in pairs) if pairs else float('nan')


def _pairs(suite, rows):
    base = rows[0]['base']
    direct = 'direct' in rows[0]['sides']
    yield f'\n### {suite}: MCPCAN beside {base}\n'
    head = ['case', f'{base} calls/s', 'MCPCAN calls/s', 'share', f'{base} p50 ms', 'MCPCAN p50 ms', 'added p50 µs', f'{base} p99 ms', 'MCPCAN p99 ms', 'p99 ratio', f'{base} CPU µs', 'MCPCAN CPU µs', 'CPU ratio', 'others, cores', 'wrong']
    if direct:
        head[1:1] = ['direct calls/s', 'direct p50 ms']
    yield '| ' + ' | '.join(head) + ' |'
    yield '|---' + '|---:' * (len(head) - 1) + '|'
    for whole in rows:
        m = quietest(whole)
        a, b = m['sides'][base], m['sides']['MCPCAN']
        others = statistics.median(r['others'] for rs in m['sides'].values() for r in rs)
        cells = [m['case'], f"{median(a, 'rps'):,.0f}", f"{median(b, 'rps'):,.0f}", f"**{ratio(m, 'rps'):.2f}**", f"{median(a, 'p50_ms'):.3f}", f"{median(b, 'p50_ms'):.3f}",
                 f"{(median(b, 'p50_ms') - median(a, 'p50_ms')) * 1000:.0f}", f"{median(a, 'p99_ms'):.2f}", f"{median(b, 'p99_ms'):.2f}", f"{ratio(m, 'p99_ms'):.2f}",
                 f"{median(a, 'cpu_us'):.0f}", f"{median(b, 'cpu_us'):.0f}", f"{ratio(m, 'cpu_us'):.2f}", f'{others:.2f}', str(wrong(whole))]
        if direct:
            d = m['sides']['direct']
            cells[1:1] = [f"{median(d, 'rps'):,.0f}", f"{median(d, 'p50_ms'):.3f}"]
        yield '| ' + ' | '.join(cells) + ' |'


def _streams(rows):
    yield '\n### stream: 10,000 progress notifications a call\n'
    yield '| case | a second | before the result | of | out of order | CPU µs a call | wrong |'
    yield '|---|---:|---:|---:|---:|---:|---:|'
    for m in rows:
        b = m['sides']['MCPCAN']
        yield f"| {m['case']} | {median(b, 'events_per_s'):,.0f} | {min(r['progress_before_result'] for r in b):,} | {b[0]['wanted']:,} | {sum(r['progress_out_of_order'] for r in b)} | {median(b, 'cpu_us'):,.0f} | {wrong(m)} |"


def _values(suite, rows):
    yield f'\n### {suite}\n'
    if suite == 'soak':
        for m in rows:
            v = m['values']
            yield f"{m['case']}: {v['calls']:,} calls at a steady rate, {v['short calls']:,} in short sessions, {v['wrong']} wrong; {'flat' if v['flat'] else '**NOT flat**'}\n"
            yield '| | after a third | at the end |'
            yield '|---|---:|---:|'
            for key in (k.removesuffix(' first') for k in v if k.endswith(' first')):
                yield f"| {key} | {v[key + ' first']:,.1f} | {v[key + ' last']:,.1f} |"
        return
    keys = list(rows[0]['values'])
    yield '| case | ' + ' | '.join(keys) + ' |'
    yield '|---' + '|---:' * len(keys) + '|'
    for m in rows:
        yield f"| {m['case']} | " + ' | '.join(f'{v:,.1f}' if isinstance(v, float) else str(v) for v in m['values'].values()) + ' |'


def markdown(result):
    about = result['machine']
    yield f"{result['date']}, commit {about['commit']}: {about['cpu']}, {about['cores']} cores, Linux {about['kernel']}; medians of the quieter half of {result['rounds']} rounds of {result['seconds']} s"
    by_suite = {}
    for m in result['measurements']:
        by_suite.setdefault(m['suite'], []).append(m)
    for suite, rows in by_suite.items():
        yield from _streams(rows) if suite == 'stream' else _values(suite, rows) if 'values' in rows[0] else _pairs(suite, rows)
    yield f"\nWrong, lost or doubled answers: {sum(wrong(m) for m in result['measurements'])}"
