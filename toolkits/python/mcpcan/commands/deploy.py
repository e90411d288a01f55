from mcpcan.api import Api, encode
from mcpcan.args import Command, Option, number
from mcpcan.deployment import DEPLOY_OPTIONS, Plan, bring, first_token
from mcpcan.output import result, say


def run(options, args):
    timeout = number(options.get("timeout"), "--timeout", 600)
    api = Api()
    wait = not options.get("no-wait")
    made = bring(api, Plan(args[0] if args else ".", options), wait=wait, timeout=timeout, notes=options.get("notes"))
    instance, version = made["instance"], made["version"]
    # Before the token, which is shown only once: what fails after it would lose it.
    config = api.get(f"/instances/{instance['id']}/client-config?client={encode(options.get('client') or 'claude-code')}")
    token = None if options.get("no-token") else first_token(api, made)
    if token:
        config["text"] = config["text"].replace("${MCPCAN_TOKEN}", token["value"])
    say(f"Version {version} of '{instance['name']}' runs." if wait else f"Version {version} of '{instance['name']}' is on its way. See: mcpcan logs {instance['slug']} -f")
    say(f"  Address  {api.address(instance)}")
    if token:
        say(f"  Token    {token['value']}  (shown only now)")
    else:
        say(f"  Token    make one with: mcpcan token create NAME --instance {instance['slug']}")
    say(f"  Console  {api.console(instance)}")
    say(f"\nFor {config['client']}{', in ' + config['file'] if config['file'] else ''}:\n\n{config['text']}")
    result({
        "instance": {"id": instance["id"], "name": instance["name"], "slug": instance["slug"], "state": instance["status"]["state"]}, "created": made["created"], "package": made["package"], "version": version,
        "address": api.address(instance), "console": api.console(instance), "token": token["value"] if token else None, "config": config,
    })


command = Command(
    "deploy", "Run a folder as an MCP server; done again, deploy its next version", run, args=["folder?"],
    more=[
        "Left out are what .mcpcanignore (else .gitignore) says, node_modules, .git, .venv, .env and the like.",
        "A version of a running server is started beside it and takes over once it answers.",
    ],
    options={
        **DEPLOY_OPTIONS,
        "no-token": Option("make no token at the first deploy"),
        "client": Option("client for which the settings are shown: claude-code (default), cursor, vscode, codex, …", value="CLIENT"),
        "notes": Option("what is new in this version", value="TEXT"),
        "no-wait": Option("do not wait until it runs"),
        "timeout": Option("how long to wait (600)", value="SECONDS"),
    })
