#!/usr/bin/env python3
"""A small MCP server of the modern era (2026-07-28) over stdio for tests; standard library only.

Options (any order): --dual (answers initialize, too; the first message fixes the era), --exit-on-initialize,
--slow-start SECONDS. Tools: see TOOLS.
"""
import json
import os
import sys
import threading
import time

PREFIX = "io.modelcontextprotocol/"
SERVER = {"name": "modern", "version": "1"}
lock = threading.Lock()
cancelled = {}    # id of a request -> event
listening = {}    # id of a subscriptions/listen -> filter
era = [None]


def send(message):
    with lock:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")) + "\n")
        sys.stdout.flush()


def notify(method, params):
    send({"method": method, "params": params})


class Refused(Exception):
    def __init__(self, code, message, data=None):
        super().__init__(message)
        self.error = {"code": code, "message": message, **({"data": data} if data else {})}


def text(value):
    return {"content": [{"type": "text", "text": value if isinstance(value, str) else json.dumps(value)}]}


def change(method, kind, uri=None):
    for request, wanted in list(listening.items()):
        if wanted.get(kind) if uri is None else uri in wanted.get("resourceSubscriptions", []):
            notify(method, {"_meta": {PREFIX + "subscriptionId": request}, **({"uri": uri} if uri else {})})


def ask(params, key, request):
    """the answer to an input request, or the result that asks for it"""
    answers = params.get("inputResponses") or {}
    if key in answers and params.get("requestState") == "state-" + key:
        return answers[key], None
    return None, {"resultType": "input_required", "inputRequests": {key: request}, "requestState": "state-" + key}


def call(params, meta, request):
    name, arguments = params["name"], params.get("arguments") or {}
    if name in ("echo", "region"):
        return text(arguments.get("text", ""))
    if name == "meta":
        return text(meta)
    if name == "pid":
        return text(str(os.getpid()))
    if name == "slow":
        stop = cancelled.setdefault(json.dumps(request), threading.Event())
        for step in range(1, int(arguments.get("steps", 3)) + 1):
            if stop.wait(float(arguments.get("seconds", 0.1))):
                sys.stderr.write("cancelled\n")
                sys.stderr.flush()
                return None
            if meta.get("progressToken") is not None:
                notify("notifications/progress", {"progressToken": meta["progressToken"], "progress": step})
        return text("done")
    if name == "log":
        if meta.get(PREFIX + "logLevel"):
            notify("notifications/message", {"level": "info", "data": arguments.get("text", "hello")})
        return text("logged")
    if name == "elicit":
        if "elicitation" not in meta[PREFIX + "clientCapabilities"]:
            raise Refused(-32021, "elicitation is needed", {"requiredCapabilities": {"elicitation": {}}})
        answer, more = ask(params, "who", {"method": "elicitation/create", "params": {"message": "who?", "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}}}})
        return more or text(answer)
    if name == "twice":
        state = params.get("requestState")
        answers = params.get("inputResponses") or {}
        if state is None:
            return {"resultType": "input_required", "requestState": "one", "inputRequests": {"a": {"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 5}}, "b": {"method": "roots/list"}}}
        if state == "one":
            return {"resultType": "input_required", "requestState": "two " + json.dumps(answers), "inputRequests": {"c": {"method": "elicitation/create", "params": {"message": "more?", "requestedSchema": {"type": "object", "properties": {}}}}}}
        return text([state, answers])
    if name == "change":
        change("notifications/tools/list_changed", "toolsListChanged")
        return text("changed")
    if name == "touch":
        change("notifications/resources/updated", None, arguments["uri"])
        return text("touched")
    if name == "hang_up":
        for listen in list(listening):
            listening.pop(listen)
            notify("notifications/cancelled", {"requestId": listen})
        return text("hung up")
    if name == "farewell":
        for listen in list(listening):
            listening.pop(listen)
            send({"id": listen, "result": {"resultType": "complete", "_meta": {PREFIX + "subscriptionId": listen}}})
        return text("farewell")
    if name == "listening":
        return text(list(listening.values()))
    if name == "crash":
        os._exit(4)
    raise Refused(-32602, "unknown tool")


TOOLS = ["echo", "region", "meta", "pid", "slow", "log", "elicit", "twice", "change", "touch", "hang_up", "farewell", "listening", "crash"]
CAPABILITIES = {"tools": {"listChanged": True}, "resources": {"subscribe": True, "listChanged": True}, "logging": {}}


def schema(name):
    if name == "region":
        return {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}, "deep": {"type": "object", "properties": {"count": {"type": "integer", "x-mcp-header": "Count"}}}}}
    return {"type": "object"}


def modern(method, params, request):
    meta = params.get("_meta") or {}
    if PREFIX + "protocolVersion" not in meta or PREFIX + "clientCapabilities" not in meta:
        raise Refused(-32602, "metadata is missing")
    if meta[PREFIX + "protocolVersion"] != "2026-07-28":
        raise Refused(-32022, "unsupported", {"supported": ["2026-07-28"], "requested": meta[PREFIX + "protocolVersion"]})
    cache = {"ttlMs": 1000, "cacheScope": "public"}
    if method == "server/discover":
        return {"supportedVersions": ["2026-07-28"], "capabilities": CAPABILITIES, "instructions": "be kind", **cache}
    if method == "tools/list":
        return {"tools": [{"name": name, "inputSchema": schema(name)} for name in TOOLS], **cache}
    if method == "tools/call":
        return call(params, meta, request)
    if method == "resources/read":
        return {"contents": [{"uri": params["uri"], "text": "content"}], **cache}
    if method == "tasks/get":
        return {"resultType": "task", "taskId": params["taskId"], "status": "working"}
    if method == "subscriptions/listen":
        listening[request] = params["notifications"]
        notify("notifications/subscriptions/acknowledged", {"_meta": {PREFIX + "subscriptionId": request}, "notifications": params["notifications"]})
        return None
    raise Refused(-32601, "Method not found")


def legacy(method, params):
    if method == "initialize":
        return {"protocolVersion": params["protocolVersion"], "serverInfo": SERVER, "capabilities": {"tools": {}}}
    if method == "tools/call":
        return text("legacy " + (params.get("arguments") or {}).get("text", ""))
    if method in ("ping", "logging/setLevel"):
        return {}
    raise Refused(-32601, "Method not found")


def handle(message):
    request, method, params = message["id"], message["method"], message.get("params") or {}
    try:
        if era[0] == "legacy":
            send({"id": request, "result": legacy(method, params)})
            return
        value = modern(method, params, request)
        if value is not None:
            value = {"resultType": "complete", **value}
            value.setdefault("_meta", {})[PREFIX + "serverInfo"] = SERVER
            send({"id": request, "result": value})
    except Refused as refused:
        send({"id": request, "error": refused.error})
    except Exception as error:
        send({"id": request, "error": {"code": -32603, "message": repr(error)}})


def main():
    options = sys.argv[1:]
    if "--slow-start" in options:
        time.sleep(float(options[options.index("--slow-start") + 1]))
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message and "method" in message:
            if message["method"] == "initialize" and "--exit-on-initialize" in options:
                sys.exit(5)
            if era[0] is None:
                era[0] = "legacy" if message["method"] == "initialize" and "--dual" in options else "modern"
            threading.Thread(target=handle, args=(message,), daemon=True).start()
        elif message.get("method") == "notifications/cancelled":
            request = message["params"]["requestId"]
            if listening.pop(request, None) is not None:
                sys.stderr.write("unsubscribed\n")
                sys.stderr.flush()
            cancelled.setdefault(json.dumps(request), threading.Event()).set()


main()
