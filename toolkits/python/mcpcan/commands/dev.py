import threading
import time

from mcpcan.api import Api
from mcpcan.args import Command, Option, number
from mcpcan.commands.logs import text
from mcpcan.deployment import DEPLOY_OPTIONS, Plan, bring, first_token
from mcpcan.errors import Failure
from mcpcan.output import event, note, plain, say, warn
from mcpcan.signals import interrupted
from mcpcan.upload import upload
from mcpcan.watch import Watch

PACE, MOST_FILES, LARGEST_TEXT = 0.2, 200, 1 << 20


def run(options, args):
    folder = args[0] if args else "."
    timeout = number(options.get("timeout"), "--timeout", 600)
    api = Api()
    watch = Watch(folder)
    wanted = Plan(folder, options)
    try:
        made = bring(api, wanted, timeout=timeout, notes="dev", fast=True)
    except Failure as error:
        if error.code != "server-failed":
            raise
        # The next edit may mend it.
        warn(error.message)
        for line in error.lines:
            note(f"  {line}")
        instance = api.instance(wanted.name)
        made = {"instance": instance, "created": False, "package": instance["source"]["packageId"], "version": instance["source"]["version"]}
    instance = made["instance"]
    token = None if options.get("no-token") else first_token(api, made)
    say(f"Version {made['version']} of '{instance['name']}': {api.address(instance)}")
    if token:
        say(f"Token {token['value']}  (shown only now)")
    event({"event": "ready", "instance": instance["id"], "slug": instance["slug"], "version": made["version"], "address": api.address(instance), "token": token["value"] if token else None})
    threading.Thread(target=tail, args=(api, instance["id"]), daemon=True).start()
    with interrupted():
        loop(api, watch, made)
    say(f"Version {made['version']} of '{instance['name']}' runs on. Delete it with: mcpcan delete {instance['slug']}")


def loop(api, watch, made):
    note("Watching for changes; Ctrl-C ends.")
    id, first = made["instance"]["id"], None
    while True:
        time.sleep(PACE)
        start = time.monotonic()
        try:
            change = watch.take()
        except (Failure, OSError) as error:
            warn(str(error))  # a folder that goes while it is read
            continue
        if not change:
            continue
        try:
            version = send(api, made, change)
            before, made["version"] = made["version"], version
            note(f"Changed: {', '.join(change.paths[:5])}{f' and {len(change.paths) - 5} more' if len(change.paths) > 5 else ''}")
            api.call("PATCH", f"/instances/{id}", {"source": {"version": version}})
            status = settle(api, id, watch)
            seconds = round(time.monotonic() - start, 1)
            if status["state"] == "Running":
                note(f"Version {version} runs ({seconds:.1f} s).")
            elif status["state"] == "Failed":
                warn(f"Version {version} does not run: {plain(status.get('reason') or '')} The next change is tried again.")
            word = {"Running": "deployed", "Failed": "failed"}.get(status["state"], "superseded")
            event({"event": word, "version": version, "paths": change.paths, "seconds": seconds, "reason": status.get("reason")})
            # Only the versions that this run made, and none that serves.
            if first is not None:
                forget(api, made["package"], before)
            first = version
        except Failure as error:
            warn(f"{error.message} The next change is tried again.")
            event({"event": "failed", "paths": change.paths, "reason": error.message})


def send(api, made, change):
    """Sends what changed and answers the new version's number. Texts go alone, all else as a whole archive."""
    files = {path: None for path in change.removed}
    whole = change.modes or len(change.paths) > MOST_FILES
    for file in [] if whole else change.changed:
        try:
            with open(file.file, "rb") as content:
                data = content.read(LARGEST_TEXT + 1)
            files[file.path] = {"text": data.decode("utf-8")}
            whole = whole or len(data) > LARGEST_TEXT
        except (OSError, UnicodeDecodeError):
            whole = True
    if not whole:
        try:
            return api.call("PATCH", f"/packages/{made['package']}/versions/{made['version']}/files", {"files": files, "notes": "dev"})["version"]
        except Failure as error:
            # What it is based on is not there any more, for example: the whole is as good.
            if error.status not in (400, 404):
                raise
    return upload(api, change.files, made["instance"]["name"], made["package"], "dev")["version"]


def forget(api, package, version):
    try:
        api.call("DELETE", f"/packages/{package}/versions/{version}")
    except Failure:
        pass  # something runs it


def settle(api, id, watch):
    """Until it runs or has failed, or there is something newer to send."""
    while True:
        status = api.get(f"/instances/{id}")["status"]
        if status["state"] in ("Running", "Failed", "Stopped") or watch.pending:
            return status
        time.sleep(0.1)


def tail(api, id):
    """The log from now on, also over restarts and cut connections."""
    query = {"follow": "true", "tail": "0"}
    while True:
        try:
            for line in api.logs(id, query)[1]:
                query = {"follow": "true", "after": str(line["n"])}
                if line["stream"] == "bridge" and line["level"] == "info":
                    continue
                note(text(line))
                event({"event": "log", **line})
        except (Failure, ValueError):
            pass
        time.sleep(1)


command = Command(
    "dev", "Run a folder, send each change at once, and show the log; Ctrl-C ends", run, args=["folder?"],
    more=["The running version is replaced without a trial beside it: clients begin new sessions. What it made stays; the versions in between are deleted."],
    options={
        **DEPLOY_OPTIONS,
        "no-token": Option("make no token at the first deploy"),
        "timeout": Option("how long the first start may take (600)", value="SECONDS"),
    })
