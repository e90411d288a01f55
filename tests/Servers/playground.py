"""A stdio MCP server with a tool for each thing that the playground shows: all kinds of fields, progress, images, questions to the client."""
import base64
import json
import struct
import sys
import threading
import zlib

lock = threading.Lock()
waiting = {}
cancelled = set()
last = 0


def send(message):
    with lock:
        print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def ask(method, params):
    global last
    last += 1
    key, event = f"ask-{last}", threading.Event()
    waiting[key] = [event, None]
    send({"id": key, "method": method, "params": params})
    event.wait(60)
    return waiting.pop(key)[1]


def png():
    rows = b"".join(b"\0" + bytes(c for x in range(64) for c in (80 + x * 2, 71, 217 - y * 2)) for y in range(64))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def obj(properties=None, required=(), **more):
    return {"type": "object", "properties": properties or {}, "required": list(required), **more}


EVERYTHING = obj({
    "name": {"type": "string", "description": "Who it is for.", "minLength": 2},
    "note": {"type": "string", "maxLength": 500, "description": "A longer text."},
    "count": {"type": "integer", "minimum": 1, "maximum": 10, "default": 3},
    "ratio": {"type": "number", "multipleOf": 0.5},
    "loud": {"type": "boolean"},
    "colour": {"enum": ["red", "green", "blue"], "description": "One of three."},
    "day": {"type": "string", "format": "date"},
    "mail": {"type": "string", "format": "email"},
    "version": {"const": 2},
    "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 4},
    "place": obj({"latitude": {"type": "number", "minimum": -90, "maximum": 90}, "longitude": {"type": "number"}, "label": {"type": "string"}}, ["latitude"]),
    "shape": {"oneOf": [obj({"kind": {"const": "circle"}, "radius": {"type": "number"}}, ["kind", "radius"]), obj({"kind": {"const": "square"}, "side": {"type": "number"}}, ["kind", "side"])]},
    "people": {"type": "array", "items": {"$ref": "#/$defs/person"}},
    "anything": {"description": "Free JSON."},
}, ["name", "version"], **{"$defs": {"person": obj({"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}}, ["name"])}})

TOOLS = [
    {"name": "everything", "description": "Gives back what it got. Has a field of each kind.", "inputSchema": EVERYTHING, "annotations": {"readOnlyHint": True}},
    {"name": "weather", "description": "Structured answer that fits its schema.", "inputSchema": obj({"place": {"type": "string"}}, ["place"]), "annotations": {"readOnlyHint": True},
     "outputSchema": obj({"place": {"type": "string"}, "degrees": {"type": "number"}}, ["place", "degrees"])},
    {"name": "wrong_answer", "description": "Structured answer that does not fit its schema.", "inputSchema": obj(), "outputSchema": obj({"degrees": {"type": "number"}}, ["degrees"])},
    {"name": "slow", "description": "Counts with progress until it is done or cancelled.", "inputSchema": obj({"steps": {"type": "integer", "default": 4}, "pause": {"type": "number", "default": 0.2}})},
    {"name": "fails", "description": "Says that it failed.", "inputSchema": obj()},
    {"name": "picture", "description": "An image, a link, a resource, and types that are not shown.", "inputSchema": obj()},
    {"name": "markup", "description": "<img src=x onerror=alert(1)> stays text.", "inputSchema": obj()},
    {"name": "ask_person", "description": "Asks the person for details (elicitation).", "inputSchema": obj()},
    {"name": "ask_visit", "description": "Asks the person to visit an address (elicitation by URL).", "inputSchema": obj()},
    {"name": "ask_model", "description": "Asks for an answer of a model (sampling).", "inputSchema": obj()},
    {"name": "drop_all", "description": "Drops every stored answer.", "inputSchema": obj(), "annotations": {"destructiveHint": True, "idempotentHint": True}},
]


def text(value, **more):
    return {"content": [{"type": "text", "text": value if isinstance(value, str) else json.dumps(value, sort_keys=True)}], **more}


def call(key, name, arguments, meta):
    if name == "weather":
        structured = {"place": arguments["place"], "degrees": 9.5}
        return text(structured, structuredContent=structured)
    if name == "wrong_answer":
        return text("see structure", structuredContent={"degrees": "warm"})
    if name == "slow":
        steps = int(arguments.get("steps", 4))
        for step in range(steps):
            threading.Event().wait(float(arguments.get("pause", 0.2)))
            if key in cancelled:
                return None
            if "progressToken" in meta:
                send({"method": "notifications/progress", "params": {"progressToken": meta["progressToken"], "progress": step + 1, "total": steps, "message": f"Step {step + 1}"}})
        return text("counted")
    if name == "fails":
        return text("It did not work: the disk is full.", isError=True)
    if name == "picture":
        image = base64.b64encode(png()).decode()
        return {"content": [
            {"type": "text", "text": "A gradient:"}, {"type": "image", "mimeType": "image/png", "data": image},
            {"type": "image", "mimeType": "image/svg+xml", "data": base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>").decode()},
            {"type": "resource_link", "uri": "file:///reports/november.csv", "name": "november.csv", "description": "Not fetched by itself."},
            {"type": "resource", "resource": {"uri": "memo:///1", "mimeType": "text/markdown", "text": "# Not rendered\n<b>as HTML</b>"}}]}
    if name == "markup":
        return text("<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'> [link](javascript:alert(1))")
    if name == "ask_person":
        return text(ask("elicitation/create", {"mode": "form", "message": "Which seat do you want?", "requestedSchema": obj({"seat": {"type": "string", "minLength": 2}, "window": {"type": "boolean"}}, ["seat"])}))
    if name == "ask_visit":
        return text(ask("elicitation/create", {"mode": "url", "elicitationId": "e1", "url": "https://login.example.com/allow?x=1", "message": "Sign in to go on."}))
    if name == "ask_model":
        return text(ask("sampling/createMessage", {"maxTokens": 100, "systemPrompt": "Be short.", "messages": [{"role": "user", "content": {"type": "text", "text": "Name a colour."}}]}))
    return text(arguments)


def handle(m):
    method, p = m["method"], m.get("params", {})
    result, error = {}, None
    if method == "initialize":
        result = {"protocolVersion": p["protocolVersion"], "capabilities": {"tools": {"listChanged": True}, "resources": {}, "prompts": {}}, "serverInfo": {"name": "playground-fixture", "version": "1.0"}}
    elif method == "tools/list":
        result = {"tools": TOOLS}
    elif method == "resources/list":
        result = {"resources": [{"uri": "memo:///1", "name": "First memo", "mimeType": "text/plain"}]}
    elif method == "resources/templates/list":
        result = {"resourceTemplates": [{"uriTemplate": "memo:///{number}", "name": "Any memo"}]}
    elif method == "resources/read":
        result = {"contents": [{"uri": p["uri"], "mimeType": "text/plain", "text": f"Contents of {p['uri']}"}]}
    elif method == "prompts/list":
        result = {"prompts": [{"name": "greet", "description": "A greeting.", "arguments": [{"name": "who", "required": True}]}]}
    elif method == "prompts/get":
        result = {"messages": [{"role": "user", "content": {"type": "text", "text": f"Greet {p['arguments']['who']}."}}]}
    elif method == "tools/call":
        result = call(m["id"], p["name"], p.get("arguments", {}), p.get("_meta", {}))
        if result is None:
            return
    elif method != "ping":
        error = {"code": -32601, "message": f"unknown method {method}"}
    send({"id": m["id"], "error": error} if error else {"id": m["id"], "result": result})


for line in sys.stdin:
    message = json.loads(line)
    if "method" not in message:
        if message.get("id") in waiting:
            slot = waiting[message["id"]]
            slot[1] = message.get("result", message.get("error"))
            slot[0].set()
    elif message["method"] == "notifications/cancelled":
        cancelled.add(message["params"]["requestId"])
    elif "id" in message:
        threading.Thread(target=handle, args=(message,), daemon=True).start()
