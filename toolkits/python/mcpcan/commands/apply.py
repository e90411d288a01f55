import json
import sys

from mcpcan.api import Api
from mcpcan.args import Command, Option
from mcpcan.errors import FAILED, OK, Failure, usage
from mcpcan.output import result, say

WORDS = {"create": ("to create", "created"), "update": ("to change", "changed"), "none": ("as it should be", "as it should be"), "failed": ("not possible", "failed")}


def run(options, args):
    if not options.get("file"):
        raise usage("Which file? Give -f FILE")
    report = Api().call("PUT", f"/state{'?plan=true' if options.get('plan') else ''}", read(options["file"]))
    for change in report["changes"]:
        action = WORDS[change["action"]][1 if report["applied"] else 0]
        fields = f" ({', '.join(change['fields'])})" if change["action"] == "update" else ""
        problem = f": {change['problem']}" if change.get("problem") else ""
        say(f"{change['kind']} {change['name']}: {action}{fields}{problem}")
        if change.get("value"):
            say(f"  Token    {change['value']}  (shown only now)")
    if not report["changes"]:
        say("The file names nothing.")
    result(report)
    return FAILED if any(c["action"] == "failed" for c in report["changes"]) else OK


def read(file):
    try:
        if file == "-":
            text = sys.stdin.read()
        else:
            with open(file, encoding="utf-8") as stream:
                text = stream.read()
    except (OSError, UnicodeDecodeError):
        raise usage(f"'{file}' cannot be read.") from None
    try:
        return json.loads(text)
    except ValueError:
        raise Failure(f"'{file}' is not valid JSON.", code="bad-file") from None


command = Command("apply", "Bring the installation to what a file says", run, options={
    "file": Option("the file; - for standard input", value="FILE", short="f"),
    "plan": Option("only say what differs"),
}, more=[
    'The file is JSON: { "environments", "templates", "instances", "tokens" }, as `mcpcan export` writes it. What it does not name is left alone.',
    "Done twice, it changes nothing the second time. Needs a key of an administrator.",
])
