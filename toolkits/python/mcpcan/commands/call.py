import json

from mcpcan.api import Api, encode
from mcpcan.args import Command, Option, number
from mcpcan.arguments import read
from mcpcan.errors import FAILED, NOT_FOUND, OK, Failure, usage
from mcpcan.output import plain, result, say, table


def run(options, args):
    timeout = number(options.get("timeout"), "--timeout", 60)
    api = Api()
    instance = api.instance(args[0])
    tools = api.get(f"/instances/{instance['id']}/tools")["items"]
    if len(args) == 1:
        return show_all(tools)
    tool = args[1]
    found = next((t for t in tools if t["name"] == tool), None)
    if not found:
        raise Failure(f"'{instance['name']}' has no tool '{tool}'. It has: {', '.join(t['name'] for t in tools) or 'none'}.", exit=NOT_FOUND, code="no-tool")
    given = {**as_object(options.get("json-args")), **read(options.get("arg"), found.get("inputSchema"))}
    outcome = api.call("POST", f"/instances/{instance['id']}/tools/{encode(tool)}/call", {"arguments": given, "timeoutSeconds": timeout})
    answer, error = outcome["result"], outcome["error"]
    result({"result": answer, "error": error, "durationMs": outcome["durationMs"]})
    if error:
        if not options.get("json"):
            raise Failure(f"The call failed: {plain(error.get('message'))} ({error.get('code')})", code="call-failed")
        return FAILED
    for block in answer.get("content") or []:
        say(shown(block))
    if not answer.get("content") and answer.get("structuredContent"):
        say(json.dumps(answer["structuredContent"], indent=2, ensure_ascii=False))
    return FAILED if answer.get("isError") else OK


def show_all(tools):
    if not tools:
        say("It has no tools.")
    else:
        table(["TOOL", "ARGUMENTS", "WHAT IT DOES"], [[t["name"], arguments(t.get("inputSchema") or {}), plain(t.get("description") or "").split("\n")[0][:80]] for t in tools])
    result(tools)


def arguments(schema):
    return " ".join(p if p in (schema.get("required") or []) else f"[{p}]" for p in schema.get("properties") or {})


def as_object(text):
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise usage("""--json-args takes a JSON object, for example --json-args '{"a": 1}'.""")
    return value


def shown(block):
    resource = block.get("resource") or {}
    if block["type"] == "text":
        return plain(block["text"])
    if block["type"] == "resource" and "text" in resource:
        return plain(resource["text"])
    rest = resource or block
    data = rest.get("data") or rest.get("blob")
    return f"[{block['type']}] {rest.get('mimeType') or ''} {rest.get('uri') or ''}".strip() + (f" ({len(data)} characters of Base64; --json shows them)" if data else "")


command = Command("call", "Call a server's tool; without one, list its tools", run, args=["instance", "tool?"], options={
    "arg": Option("an argument; the tool's schema decides its type", value="K=V", many=True),
    "json-args": Option("all arguments as a JSON object", value="JSON"),
    "timeout": Option("how long the call may take (60)", value="SECONDS"),
})
