"""A small MCP server over stdio with nothing but Python's standard library."""
import json, os, platform, sys

TOOLS = [
    {"name": "reverse", "description": "Reverses a text", "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}},
    {"name": "where", "description": "Says where it runs", "inputSchema": {"type": "object"}},
    {"name": "look", "description": "Tries to read a path", "inputSchema": {"type": "object", "properties": {"path": {"type": "string"}}}},
]


def call(name, arguments):
    if name == "reverse":
        return arguments["text"][::-1]
    if name == "where":
        return json.dumps({"cwd": os.getcwd(), "files": sorted(os.listdir(".")), "python": platform.python_version(), "greeting": os.environ.get("GREETING"), "secret": os.environ.get("SECRET")})
    if name == "look":
        try:
            path = arguments["path"]
            return "seen: " + ",".join(os.listdir(path)) if os.path.isdir(path) else "seen: " + open(path).read(100)
        except OSError as error:
            return "refused: " + error.strerror
    raise ValueError(f"no tool {name}")


def answer(request):
    method, params = request["method"], request.get("params", {})
    if method == "initialize":
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "plain-python", "version": "1"}}
    if method == "tools/list":
        return {"tools": TOOLS}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": call(params["name"], params.get("arguments", {}))}]}
    return {}


print("plain python server up", file=sys.stderr, flush=True)
for line in sys.stdin:
    message = json.loads(line)
    if "id" in message and "method" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": answer(message)}), flush=True)
