#!/usr/bin/env python3
"""A stand-in for the bridge, where only the runtime is looked at: answers /-/status and /-/stop, runs the command once, logs its stderr and stdout."""
import datetime, json, os, signal, socketserver, subprocess, sys, threading, time as clock
from http.server import BaseHTTPRequestHandler

while "--wait" in sys.argv and not os.path.exists(sys.argv[2]):
    clock.sleep(0.01)
config = json.load(open(sys.argv[2]))
path = config["listen"][len("unix:"):]
number = config["firstLogNumber"]
lock = threading.Lock()
log = open(f"{config['logDirectory']}/run-{config['run']}.ndjson", "a", buffering=1)


def write(stream, message):
    global number
    with lock:
        time = datetime.datetime.now(datetime.timezone.utc).isoformat()
        log.write(json.dumps({"n": number, "t": time, "stream": stream, "level": "info", "msg": message}) + "\n")
        number += 1


last = None


def run():
    global last
    lines = []
    try:
        child = subprocess.Popen(config["command"], cwd=config["workingDirectory"], env={**os.environ, **config["environment"]},
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in child.stdout:
            lines.append(line.rstrip("\n"))
            write("stderr", lines[-1])
        code = child.wait()
    except OSError as e:
        code, lines = 127, [str(e)]
        write("bridge", str(e))
    last = {"code": code if code >= 0 else None, "signal": None if code >= 0 else str(-code), "time": "2026-01-01T00:00:00Z", "lastLines": lines[-20:]}


class Handler(BaseHTTPRequestHandler):
    def address_string(self): return ""
    def log_message(self, *_): pass

    def do_GET(self):
        body = json.dumps({"state": "ready", "sessions": 0, "children": 1, "spares": 0, "runningCalls": 0, "lastExit": last, "restarts": 0, "startedAt": "2026-01-01T00:00:00Z"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.send_response(204)
        self.end_headers()
        self.wfile.flush()
        os._exit(0)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
write("bridge", "started")
threading.Thread(target=run, daemon=True).start()
Server(path, Handler).serve_forever()
