#!/usr/bin/env python3
"""A small MCP server over stdio for tests; standard library only.

Options (any order): --banner (noise on stdout first), --bom, --slow-start SECONDS, --silent (never answers),
--exit CODE (exits at once), --deaf (ignores end of input and SIGTERM), --flood MIB (writes to stderr at start),
--exit-on-discover (as servers do that take nothing before initialize).
Tools: see TOOLS. Each tool takes its arguments from `arguments`.
"""
import json
import os
import signal
import subprocess
import sys
import threading
import time

lock = threading.Lock()
answers = {}          # id of a request of ours -> [event, message]
cancelled = {}        # id of a client's request -> event
subscribed = set()
level = None
counter = [0]


def send(message):
    raw(json.dumps(message, separators=(",", ":")))


def raw(line):
    with lock:
        sys.stdout.buffer.write(line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line)
        sys.stdout.buffer.write(b"\n")
        sys.stdout.buffer.flush()


def notify(method, params=None):
    send({"jsonrpc": "2.0", "method": method, "params": params or {}})


def ask(method, params):
    with lock:
        counter[0] += 1
        name = f"server-{counter[0]}"
    event = answers[name] = [threading.Event(), None]
    send({"jsonrpc": "2.0", "id": name, "method": method, "params": params})
    if not event[0].wait(30):
        return {"error": "no answer"}
    return event[1].get("result", event[1].get("error"))


def text(value):
    return {"content": [{"type": "text", "text": value if isinstance(value, str) else json.dumps(value)}]}


def slow(arguments, request, token):
    """progress `steps` times, `seconds` apart; stops when cancelled"""
    steps, seconds = int(arguments.get("steps", 3)), float(arguments.get("seconds", 0.1))
    stop = cancelled.setdefault(json.dumps(request), threading.Event())
    for step in range(1, steps + 1):
        if stop.wait(seconds):
            sys.stderr.write("cancelled\n")
            sys.stderr.flush()
            return None
        if token is not None:
            notify("notifications/progress", {"progressToken": token, "progress": step, "total": steps})
    return text(f"done after {steps} steps")


def fork(arguments):
    """starts `count` sleeping children; with `detach` they leave the process group and lose their parent"""
    pids = []
    for _ in range(int(arguments.get("count", 2))):
        if arguments.get("detach"):
            out = subprocess.run(["sh", "-c", "setsid sleep 600 >/dev/null 2>&1 </dev/null & echo $!"], stdout=subprocess.PIPE, check=True)
            pids.append(int(out.stdout))
        else:
            pids.append(subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid)
    return text(pids)


def flood(arguments):
    mib = int(arguments.get("mib", 1))
    line = ("x" * 99 + "\n") * 10000
    for _ in range(mib):
        sys.stderr.write(line)
    sys.stderr.flush()
    return text("flooded")


def call(name, arguments, request, token):
    if name == "echo":
        return text(arguments.get("text", ""))
    if name == "big":
        return text("x" * int(arguments["bytes"]))
    if name == "slow":
        return slow(arguments, request, token)
    if name == "sample":
        return text(ask("sampling/createMessage", {"messages": [{"role": "user", "content": {"type": "text", "text": arguments.get("prompt", "hi")}}], "maxTokens": 10}))
    if name == "elicit":
        return text(ask("elicitation/create", {"message": "who?", "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}}}))
    if name == "roots":
        return text(ask("roots/list", {}))
    if name == "log":
        notify("notifications/message", {"level": "info", "data": arguments.get("text", "hello")})
        return text("logged")
    if name == "raw":
        raw(arguments["line"].replace("$ID", json.dumps(request)))
        return None
    if name == "raw_hex":
        raw(bytes.fromhex(arguments["hex"]).replace(b"$ID", json.dumps(request).encode()))
        return None
    if name == "change":
        notify("notifications/tools/list_changed")
        return text("changed")
    if name == "touch":
        for uri in sorted(subscribed):
            notify("notifications/resources/updated", {"uri": uri})
        return text(sorted(subscribed))
    if name == "crash":
        sys.stderr.write("about to crash\n")
        sys.stderr.flush()
        os._exit(int(arguments.get("code", 3)))
    if name == "fork":
        return fork(arguments)
    if name == "flood":
        return flood(arguments)
    if name == "noise":
        raw("this is not JSON")
        raw("")
        raw("{ nor is this }")
        return text("noisy")
    if name == "environment":
        return text({"pid": os.getpid(), "level": level, "cwd": os.getcwd(), **{key: value for key, value in os.environ.items()}})
    raise ValueError(f"unknown tool {name}")


TOOLS = ["echo", "big", "slow", "sample", "elicit", "roots", "log", "raw", "raw_hex", "change", "touch", "crash", "fork", "flood", "noise", "environment"]


def result(method, params, request):
    if method == "initialize":
        return {"protocolVersion": params.get("protocolVersion", "2025-11-25"), "serverInfo": {"name": "echo", "version": "1"}, "_capabilitiesSeen": params.get("capabilities"),
                "capabilities": {"tools": {"listChanged": True}, "resources": {"subscribe": True}, "logging": {}}}
    if method == "logging/setLevel":
        global level
        level = params["level"]
        return {}
    if method == "ping":
        return {}
    if method == "tools/list":
        return {"tools": [{"name": name, "description": name, "inputSchema": {"type": "object"}} for name in TOOLS]}
    if method == "tools/call":
        return call(params["name"], params.get("arguments") or {}, request, (params.get("_meta") or {}).get("progressToken"))
    if method == "resources/list":
        return {"resources": [{"uri": "test://one", "name": "one"}]}
    if method == "resources/read":
        return {"contents": [{"uri": params["uri"], "mimeType": "text/plain", "text": "content"}]}
    if method == "resources/subscribe":
        subscribed.add(params["uri"])
        return {}
    if method == "resources/unsubscribe":
        subscribed.discard(params["uri"])
        return {}
    raise LookupError(method)


def handle(message):
    request = message["id"]
    try:
        value = result(message["method"], message.get("params") or {}, request)
        if value is not None:
            send({"jsonrpc": "2.0", "id": request, "result": value})
    except LookupError:
        send({"jsonrpc": "2.0", "id": request, "error": {"code": -32601, "message": "Method not found"}})
    except Exception as error:
        send({"jsonrpc": "2.0", "id": request, "error": {"code": -32603, "message": str(error)}})


def main():
    options = sys.argv[1:]

    def value(name, otherwise=None):
        return options[options.index(name) + 1] if name in options else otherwise

    if "--exit" in options:
        sys.stderr.write("cannot start: no configuration\n")
        sys.exit(int(value("--exit")))
    if "--deaf" in options:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(float(value("--slow-start", 0)))
    if "--flood" in options:
        flood({"mib": value("--flood")})
    if "--bom" in options:
        sys.stdout.buffer.write(b"\xef\xbb\xbf")
    if "--banner" in options:
        raw("*** Welcome to echo ***")
        raw("[info] listening on stdio")
        raw("\r")
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "--silent" in options:
            continue
        if isinstance(message, list):
            continue  # as real servers do
        if message.get("method") == "server/discover" and "--exit-on-discover" in options:
            sys.exit(6)
        if "method" not in message:
            waiting = answers.pop(message.get("id"), None)
            if waiting:
                waiting[1] = message
                waiting[0].set()
        elif "id" in message:
            threading.Thread(target=handle, args=(message,), daemon=True).start()
        elif message["method"] == "notifications/cancelled":
            cancelled.setdefault(json.dumps(message["params"]["requestId"]), threading.Event()).set()
    if "--deaf" in options:
        time.sleep(600)


main()
