"""An MCP server over stdio that needs a package."""
import json
import sys

import greeter

ANSWER = greeter.greet("world")


def result(method, params):
    if method == "initialize":
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "python", "version": "1"}}
    if method == "tools/list":
        return {"tools": [{"name": "answer", "description": "Greets", "inputSchema": {"type": "object"}}]}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": ANSWER}]}
    return {}


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message and "method" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result(message["method"], message.get("params", {}))}), flush=True)
