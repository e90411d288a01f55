from mcpcan.api import Api, encode
from mcpcan.args import Command, Option
from mcpcan.output import result, say, table


def run(options, args):
    api = Api()
    items = api.all(f"/instances?sort=name{'&search=' + encode(options['search']) if options.get('search') else ''}")
    if not items:
        say("There are no servers. Deploy a folder with: mcpcan deploy")
    else:
        table(["NAME", "STATE", "RUNS", "ADDRESS"], [[i["name"], i["status"]["state"], runs(i), api.address(i)] for i in items])
    result(items)


def runs(instance):
    source = instance.get("source") or {}
    if instance["mode"] != "managed":
        return instance["mode"]
    return f"version {source.get('version') or 'newest'}" if source.get("type") == "package" else source.get("type") or instance["mode"]


command = Command("list", "List the servers", run, options={"search": Option("only those with this text in the name", value="TEXT")})
