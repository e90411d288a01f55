from mcpcan.api import Api
from mcpcan.args import Command, Option, number
from mcpcan.output import event, plain, say
from mcpcan.signals import interrupted


def run(options, args):
    tail = number(options.get("tail"), "--tail", 100)
    api = Api()
    instance = api.instance(args[0])
    query = {"tail": tail}
    if options.get("stream"):
        query["stream"] = options["stream"]
    if options.get("follow"):
        query["follow"] = "true"
    with interrupted():
        for line in api.logs(instance["id"], query)[1]:
            say(text(line))
            event(line)


def text(line):
    return f"{line['t'][:19]}Z {line['stream']:7} {plain(line['msg'])}"


command = Command("logs", "Show a server's log", run, args=["instance"], options={
    "follow": Option("go on with new lines as they come; Ctrl-C ends", short="f"),
    "tail": Option("only the last N lines (100)", value="N"),
    "stream": Option("only stdout, stderr, install or bridge", value="NAME"),
})
