from mcpcan.api import Api
from mcpcan.args import Command
from mcpcan.output import result, say


def run(options, args):
    api = Api()
    me = api.get("/me")
    say(f"{me['name']} ({me['role']}) at {api.url}")
    result({"url": api.url, **me})


command = Command("whoami", "Say who is signed in, and where", run)
