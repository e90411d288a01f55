import re

from mcpcan.api import Api
from mcpcan.args import Command, Option, number
from mcpcan.errors import usage
from mcpcan.output import result, say
from mcpcan.prompt import ask, at_terminal
from mcpcan.wait import gone


def run(options, args):
    timeout = number(options.get("timeout"), "--timeout", 120)
    api = Api()
    instance = api.instance(args[0])
    name = instance["name"]
    if not options.get("yes"):
        if not at_terminal():
            raise usage(f"'{name}' would be deleted with its files and logs. Say so with --yes.")
        if not re.fullmatch("y(es)?", ask(f"Delete '{name}' with its files and logs? [y/N] "), re.I):
            say("Nothing was deleted.")
            return
    # Tokens that would open nothing any more.
    tokens = [t["id"] for t in api.all(f"/tokens?instance={instance['id']}") if t["instances"] == [instance["id"]]]
    api.call("DELETE", f"/instances/{instance['id']}")
    gone(api, instance["id"], timeout)
    for token in tokens:
        api.call("DELETE", f"/tokens/{token}")
    code = (instance.get("source") or {}).get("packageId") if options.get("package") else None
    used = bool(api.get(f"/packages/{code}/users")) if code else True
    if not used:
        api.call("DELETE", f"/packages/{code}")
    say(f"'{name}' is deleted{'' if used else ' with its code'}.")
    result({"deleted": instance["id"], "package": None if used else code, "tokens": tokens})


command = Command("delete", "Delete a server with its workload, files and logs, and the tokens that open only it", run, args=["instance"], options={
    "yes": Option("do not ask", short="y"),
    "package": Option("delete its uploaded code, too, unless another server runs it"),
    "timeout": Option("how long to wait (120)", value="SECONDS"),
})
