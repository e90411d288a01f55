import datetime
import re

from mcpcan.api import Api
from mcpcan.args import Command, Option
from mcpcan.errors import NOT_FOUND, Failure, usage
from mcpcan.output import note, result, say, table


def run(options, args):
    action, name = args[0], args[1] if len(args) > 1 else None
    if action not in ACTIONS:
        raise usage(f"'token' does create, list or delete, not '{action}'.")
    if action != "list" and not name:
        raise usage(f"Which token? mcpcan token {action} NAME")
    ACTIONS[action](Api(), options, name)


def create(api, options, name):
    wanted = options.get("instance") or []
    if not wanted:
        raise usage("Which server does it open? Give --instance NAME, or --instance '*' for all.")
    instances = "*" if "*" in wanted else [api.instance(i)["id"] for i in wanted]
    tools = {"tools": options["tool"]} if options.get("tool") else {}
    token = api.call("POST", "/tokens", {"name": name, "instances": instances, "expiresAt": time(options["expires"]) if options.get("expires") else None, **tools})
    note(f"Token '{token['name']}'{', good until ' + token['expiresAt'] if token.get('expiresAt') else ''}; its value is shown only now:")
    say(token["value"])
    result(token)


def show(api, options, name):
    one = api.instance(options["instance"][0])["id"] if options.get("instance") else None
    items = api.all(f"/tokens{'?instance=' + one if one else ''}")
    if not items:
        say("There are no tokens.")
    else:
        table(["NAME", "ID", "OPENS", "EXPIRES"], [[t["name"], t["id"], opens(t["instances"]), t.get("expiresAt") or "never"] for t in items])
    result(items)


def opens(instances):
    return "all servers" if instances == "*" else f"{len(instances)} server{'' if len(instances) == 1 else 's'}"


def remove(api, options, name):
    fitting = [t for t in api.all("/tokens") if name in (t["id"], t["name"])]
    if not fitting:
        raise Failure(f"There is no token '{name}'. See: mcpcan token list", exit=NOT_FOUND, code="not-found")
    if len(fitting) > 1:
        raise Failure(f"Several tokens are called '{name}'. Use the id of one: {', '.join(t['id'] for t in fitting)}.", code="ambiguous")
    api.call("DELETE", f"/tokens/{fitting[0]['id']}")
    say(f"Token '{fitting[0]['name']}' is deleted.")
    result({"deleted": fitting[0]["id"]})


def time(text):
    utc = datetime.timezone.utc
    span = re.fullmatch(r"([0-9]{1,6})([mhd])", text)
    try:
        if span:
            at = datetime.datetime.now(utc) + datetime.timedelta(**{{"m": "minutes", "h": "hours", "d": "days"}[span.group(2)]: int(span.group(1))})
        else:
            at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
            at = at if at.tzinfo else at.replace(tzinfo=utc)
        return at.astimezone(utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):
        raise usage(f"--expires takes 12h, 30d, or a time like 2027-01-31T00:00:00Z, not '{text}'.") from None


ACTIONS = {"create": create, "list": show, "delete": remove}

command = Command("token", "Make, list and delete the tokens of MCP clients", run, args=["create|list|delete", "name?"], options={
    "instance": Option("server that the token opens; '*' for all", value="INSTANCE", many=True),
    "expires": Option("end: 12h, 30d, or a time like 2027-01-31T00:00:00Z", value="WHEN"),
    "tool": Option("only this tool; * stands for any characters", value="NAME", many=True),
})
