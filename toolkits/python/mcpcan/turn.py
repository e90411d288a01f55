"""start, stop and restart: the same but for the word."""
from mcpcan.api import Api
from mcpcan.args import Command, Option, number
from mcpcan.output import result, say
from mcpcan.wait import mark, running, until


def turn(name, summary, done):
    def run(options, args):
        timeout = number(options.get("timeout"), "--timeout", 600)
        api = Api()
        found = api.instance(args[0])
        after = mark(api, found["id"])
        now = api.call("POST", f"/instances/{found['id']}/{name}")
        if not options.get("no-wait"):
            now = stopped(api, found["id"], timeout) if name == "stop" else running(api, found["id"], timeout, after)
        state = now["status"]["state"]
        say(f"'{found['name']}': {state}." if options.get("no-wait") else f"'{found['name']}' {done}.")
        result({"instance": found["id"], "state": state})

    return Command(name, summary, run, args=["instance"], options={
        "no-wait": Option("do not wait for the end of it"),
        "timeout": Option("how long to wait (600)", value="SECONDS"),
    })


def stopped(api, id, timeout):
    def ask(say):
        now = api.get(f"/instances/{id}")
        return now if now["status"]["state"] == "Stopped" else None

    return until(timeout, "It goes on meanwhile.", ask)
