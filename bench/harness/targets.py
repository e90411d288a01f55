"""What is measured: programs that are started, and the load on one address."""
import io, json, os, signal, socket, statistics, subprocess, tarfile, time, urllib.error, urllib.request
from . import processes

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(HERE)
OUT = os.path.join(ROOT, 'artifacts', 'bench')
WRONG = ('errors', 'http_errors', 'rpc_errors', 'mismatch', 'foreign', 'timeouts', 'reconnects', 'unanswered', 'sessions_failed')
children = []


def build(dotnet=True):
    os.makedirs(OUT, exist_ok=True)
    newest = max(os.path.getmtime(f'{HERE}/native/{f}') for f in os.listdir(f'{HERE}/native'))
    for name in ('mcpecho', 'mcpload'):
        if not os.path.exists(f'{OUT}/{name}') or os.path.getmtime(f'{OUT}/{name}') < newest:
            subprocess.run([os.environ.get('CC', 'cc'), '-O2', '-w', '-o', f'{OUT}/{name}.{os.getpid()}', f'{HERE}/native/{name}.c'], check=True)
            os.replace(f'{OUT}/{name}.{os.getpid()}', f'{OUT}/{name}')
    if dotnet:
        subprocess.run([f'{ROOT}/script/install', 'run'], check=True)
        subprocess.run([f'{ROOT}/script/build'], check=True)
        for name in ('BareBridge', 'BareProxy'):
            subprocess.run(['dotnet', 'build', f'{HERE}/{name}', '-c', 'Release', '-v', 'q', '--nologo', '--disable-build-servers'], check=True, stdout=subprocess.DEVNULL)


def reference(name):
    return ['dotnet', f'{HERE}/{name}/bin/Release/net10.0/{name}.dll']


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Wrong(Exception):
    """An answer was wrong, lost or doubled, or a target does not work at all."""


class Target:
    """An address with the processes behind it, and how to load it."""

    def __init__(self, name, program, url, mode='streamable', headers=None):
        self.name, self.program, self.url, self.mode, self.headers = name, program, url, mode, headers or {}

    def command(self, *args):
        extra = [x for k, v in self.headers.items() for x in ('--header', f'{k}: {v}')]
        return [f'{OUT}/mcpload', '--mode', self.mode, *(str(a) for a in args), *extra, self.url]

    def start(self, *args, **more):
        """Starts the loader; the caller reads its output."""
        return subprocess.Popen(self.command(*args), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=processes.prepare_child, **more)

    def run(self, *args):
        """One run of the loader: its result, with CPU of the target's processes between START and STOP."""
        mine = self.program.processes()
        counted = [p for p, name in mine.items() if name != processes.CHILD]
        every = [p for c in children for p in c.processes()]  # looked up now, so that it costs nothing meanwhile
        p = self.start(*args)
        before = after = (0, 0, 0)
        result = None
        for line in p.stdout:
            if line.startswith('START'):
                before = processes.cpu(counted), processes.cpu(every), processes.busy()
            elif line.startswith('STOP'):
                after = processes.cpu(counted), processes.cpu(every), processes.busy()
            elif line.startswith('{'):
                result = json.loads(line)
        p.wait()
        if not result or not result.get('answered', result.get('ok')):
            raise Wrong(f'{self.name}: no right answer: {result}')
        used, bench, busy = (b - a for a, b in zip(before, after))
        result.update(cpu_us=used / max(1, result['ok']) * 1e6, others=max(0, (busy - bench - result.get('client_cpu_s', 0)) / result['secs']))
        result['wrong'] = sum(result.get(k, 0) for k in WRONG)
        return result

    def load(self, sessions, secs, payload=100, warmup=0.5, *more):
        return self.run('--sessions', sessions, '--secs', secs, '--warmup', warmup, '--warm-calls', 20 * sessions, '--payload', payload, *more)

    def stream(self, count, calls, sessions=1):
        """Calls that send `count` progress notifications each: all of them, in order, before their results."""
        result = self.run('--op', 'stream', '--tool', 'stream', '--count', count, '--size', 64, '--calls', calls, '--sessions', sessions, '--get-stream', '--timeout', 60)
        # in order without a gap, and none beyond what was sent: then none was lost and none doubled
        result['wrong'] = abs(result['wanted'] - result['progress_before_result']) + abs(result['wanted'] - result['progress_total']) + result['progress_out_of_order'] + result['errors'] + result['timeouts'] + abs(calls - result['ok'])
        return result


class Program:
    """A started program with one marker in its environment."""

    def __init__(self, name, command, env=None, log=subprocess.DEVNULL, interrupt=False):
        self.name, self.interrupt = name, interrupt
        key = f'MCPCAN_BENCH={name}-{os.getpid()}-{free_port()}'
        self.markers = [key]
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, env={**os.environ, **(env or {}), 'MCPCAN_BENCH': key.split('=')[1]}, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=processes.prepare_child)
        children.append(self)

    def processes(self):
        return processes.marked(self.markers)

    def stop(self):
        if self in children:
            children.remove(self)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT if self.interrupt else signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in self.processes():  # what a clean end left: nothing, as a rule
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass


def wait_for(program, port):
    """Until the program takes connections on the port."""
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(('127.0.0.1', port), 1).close()
            return
        except OSError:
            if time.monotonic() > end or program.process.poll() is not None:
                raise Wrong(f'{program.name} did not start')
            time.sleep(0.05)


def bare_bridge():
    port = free_port()
    program = Program('bare-bridge', [*reference('BareBridge'), str(port), f'{OUT}/mcpecho'])
    wait_for(program, port)
    return Target('bare bridge', program, f'http://127.0.0.1:{port}/mcp')


def http_server():
    port = free_port()
    program = Program('http-server', [*reference('BareProxy'), 'server', str(port)])
    wait_for(program, port)
    return Target('direct', program, f'http://127.0.0.1:{port}/mcp')


def yarp(upstream):
    port = free_port()
    program = Program('yarp', [*reference('BareProxy'), 'yarp', str(port), upstream.url.removesuffix('/mcp')])
    wait_for(program, port)
    return Target('plain YARP', program, f'http://127.0.0.1:{port}/mcp')


def bridge(folder, wait=True):
    """The product's bridge alone, with the echo server as its only child."""
    port = free_port()
    config = os.path.join(folder, f'bridge-{port}.json')
    with open(config, 'w') as f:
        json.dump({'listen': f'http://127.0.0.1:{port}', 'command': [f'{OUT}/mcpecho'], 'processes': 'shared', 'maxSessions': 4096}, f)
    env = {'DOTNET_gcServer': '0', 'DOTNET_SYSTEM_GLOBALIZATION_INVARIANT': '1', 'DOTNET_EnableDiagnostics': '0'}  # as the product starts it
    program = Program('bridge', [f'{ROOT}/artifacts/bridge/mcpcan-bridge', '--config', config], env)
    if wait:
        wait_for(program, port)
    return Target('bridge', program, f'http://127.0.0.1:{port}/mcp')


def _echo_package():
    """The echo server as an uploaded package: a multipart body with a .tar.gz."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode='w:gz') as tar:
        tar.add(f'{OUT}/mcpecho', 'mcpecho')
    edge = b'bench-boundary'
    body = b'--' + edge + b'\r\nContent-Disposition: form-data; name="file"; filename="echo.tar.gz"\r\nContent-Type: application/gzip\r\n\r\n' + archive.getvalue()
    body += b'\r\n--' + edge + b'\r\nContent-Disposition: form-data; name="name"\r\n\r\necho\r\n--' + edge + b'--\r\n'
    return body, f'multipart/form-data; boundary={edge.decode()}'


class Mcpcan(Program):
    """The whole product on a data folder of its own, with a token for all its instances."""

    def __init__(self, data, probe_seconds=3600):
        self.port, self.data = free_port(), os.path.abspath(data)
        self.base = f'http://127.0.0.1:{self.port}'
        self.env = {'MCPCAN_PROBE_SECONDS': str(probe_seconds), 'MCPCAN_BRIDGE_PATH': f'{ROOT}/artifacts/bridge/mcpcan-bridge'}
        self.package = None
        os.makedirs(data, exist_ok=True)
        with open(os.path.join(data, 'server.out'), 'ab') as log:
            super().__init__('MCPCAN', [f'{ROOT}/artifacts/server/mcpcan', 'serve', '--port', str(self.port), '--data', self.data], self.env, log, interrupt=True)
        self.markers.append(self.data)
        try:
            self._prepare()
        except BaseException:
            self.stop()
            raise

    def _prepare(self):
        end = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(self.base + '/readyz', timeout=2).close()
                break
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise Wrong(f'MCPCAN did not start, see {self.data}/server.out')
                time.sleep(0.1)
        made = subprocess.run([f'{ROOT}/artifacts/server/mcpcan', 'api-key', 'create', '--name', 'bench', '--role', 'admin', '--data', self.data], env={**os.environ, **self.env}, check=True, capture_output=True, text=True)
        self.key = made.stdout.strip()
        self.token = self.call('POST', '/tokens', {'name': 'bench', 'instances': '*'})['value']

    def call(self, method, path, body=None, raw=None, content_type='application/json'):
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f'{self.base}/api/v1{path}', data, {'Authorization': f'Bearer {self.key}', 'Content-Type': content_type}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
                return json.loads(text) if text else None
        except urllib.error.HTTPError as e:
            raise Wrong(f'{method} {path}: {e.code} {e.read().decode()}') from e

    def _instance(self, name, **fields):
        return self.running(self.call('POST', '/instances', {'name': name, 'start': True, **fields}))

    def running(self, made):
        """Waits until an instance runs."""
        end, name = time.monotonic() + 90, made['name']
        while True:
            state = self.call('GET', f'/instances/{made["id"]}')['status']
            if state['state'] == 'Running':
                return made
            if state['state'] == 'Failed' or time.monotonic() > end:
                raise Wrong(f'{name}: {state}')
            time.sleep(0.1)

    def managed(self, name='echo', processes='shared'):
        return self.running(self.ordered(name, processes))

    def ordered(self, name, processes='shared'):
        """A managed instance that starts meanwhile."""
        if not self.package:
            body, content_type = _echo_package()
            uploaded = self.call('POST', '/packages', raw=body, content_type=content_type)
            self.package = (uploaded.get('package') or uploaded)['id']
        return self.call('POST', '/instances', {'name': name, 'start': True, 'mode': 'managed', 'processes': processes, 'source': {'type': 'package', 'packageId': self.package, 'install': [], 'start': ['./mcpecho']}, 'limits': {'sessions': 4096, 'cpus': 0, 'pids': 4096}})

    def proxied(self, upstream, name='remote'):
        return self._instance(name, mode='proxy', remote={'url': upstream.url})

    def target(self, made, name='MCPCAN', mode='streamable'):
        return Target(name, self, made['address']['sse' if mode == 'sse' else 'streamableHttp'], mode, {'Authorization': f'Bearer {self.token}'})

    def by_name(self):
        """Processes by what they are: gateway, bridge, child, sandbox."""
        kinds = {}
        for pid, name in self.processes().items():
            kind = {'mcpcan': 'gateway', processes.CHILD: 'child', 'mcpcan-bridge': 'bridge'}.get(name, 'sandbox')
            kinds.setdefault(kind, []).append(pid)
        return kinds


def median(rows, field):
    return statistics.median(r[field] for r in rows)
