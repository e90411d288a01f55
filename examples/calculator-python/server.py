"""An MCP server over standard input and output: one JSON-RPC message a line. No dependencies."""

import json
import sys

from calculator import calculate

VERSIONS = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]
TOOLS = [{
    "name": "calculate",
    "title": "Calculate",
    "description": "Calculates an expression: + - * / % ^, brackets, sqrt, abs, round, floor, ceil, ln, log, sin, cos, tan, pi, e.",
    "inputSchema": {"type": "object", "properties": {"expression": {"type": "string", "description": "For example (2 + 3) * sqrt(16)"}},
                    "required": ["expression"], "additionalProperties": False},
    "outputSchema": {"type": "object", "properties": {"value": {"type": "number"}}, "required": ["value"]},
    "annotations": {"readOnlyHint": True, "openWorldHint": False},
}]


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def answer(method, params):
    if method == "initialize":
        asked = params.get("protocolVersion")
        return {"protocolVersion": asked if asked in VERSIONS else VERSIONS[0], "capabilities": {"tools": {}},
                "serverInfo": {"name": "calculator", "version": "1.0.0"}}
    if method == "ping":
        return {}
    if method == "tools/list":
        return {"tools": TOOLS}
    if method == "tools/call":
        return call(params.get("name"), params.get("arguments") or {})
    raise Refused(-32601, f"There is no method '{method}'.")


def call(name, arguments):
    if name != "calculate":
        raise Refused(-32602, f"There is no tool '{name}'.")
    try:
        value = calculate(str(arguments.get("expression", "")))
    except (ArithmeticError, ValueError) as error:
        return {"content": [{"type": "text", "text": str(error)}], "isError": True}
    return {"content": [{"type": "text", "text": str(value)}], "structuredContent": {"value": value}}


def send(message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


for line in sys.stdin:
    if not line.strip():
        continue
    try:
        request = json.loads(line)
    except ValueError:
        send({"id": None, "error": {"code": -32700, "message": "This is not JSON."}})
        continue
    if "id" not in request or "method" not in request:
        continue  # a notification or an answer
    try:
        send({"id": request["id"], "result": answer(request["method"], request.get("params") or {})})
    except Refused as error:
        send({"id": request["id"], "error": {"code": error.code, "message": str(error)}})
