"""From a folder to a running instance: a new one, or the next version of one that is there."""
import os

from mcpcan.args import Option, pairs
from mcpcan.errors import Failure, usage
from mcpcan.output import note, plain, warn
from mcpcan.pack import collect
from mcpcan.project import name_of, settings
from mcpcan.upload import upload
from mcpcan.wait import deployed, mark, running, until

DEPLOY_OPTIONS = {
    "name": Option("the server's name; from mcpcan.json or the project unless given", value="NAME"),
    "env": Option("environment variable", value="K=V", many=True),
    "secret": Option("environment variable that is stored encrypted and never shown", value="K=V", many=True),
    "environment": Option("where it runs, for a new server", value="ID"),
}


class Plan:
    """What is to be deployed: files, name and settings."""

    def __init__(self, folder, options):
        self.own = settings(folder)
        skipped = []
        self.files = collect(folder, skipped)
        for path in skipped:
            warn(f"'{path}' is a link that leads to no file of the folder; it is left out.")
        if not self.files:
            raise Failure(f"There is nothing to deploy in '{folder}': it has no files, or all are ignored.", code="empty")
        self.env = {**self.own.get("env", {}), **pairs(options.get("env"), "--env")}
        self.secrets = pairs(options.get("secret"), "--secret")
        for name in self.own.get("secrets", []):
            if name in os.environ:
                self.secrets.setdefault(name, os.environ[name])
        self.name = name_of(folder, self.own, options.get("name"))
        self.environment = options.get("environment") or self.own.get("environment")


def bring(api, wanted, wait=True, timeout=600, notes=None, fast=False):
    """Uploads and deploys. With `fast` the running version is ended first, without a trial beside it."""
    found = api.find(wanted.name)
    if found and (found.get("source") or {}).get("type") != "package":
        raise usage(f"The server '{wanted.name}' is there already and does not run uploaded code. Choose another name: --name NAME")
    missing = [name for name in wanted.own.get("secrets", []) if name not in wanted.secrets and not (found and name in found["env"])]
    if missing:
        raise usage(f"{', '.join(missing)} {'have' if len(missing) > 1 else 'has'} no value. Set it in the environment, or give --secret {missing[0]}=VALUE")
    stored = upload(api, wanted.files, wanted.name, found["source"]["packageId"] if found else None, notes)
    describe(stored["detected"])
    made = {"created": not found, "package": stored["id"], "version": stored["version"]}
    if not found:
        note(f"Creating the server '{wanted.name}'")
        instance = api.call("POST", "/instances", creation(wanted, made))
        return {**made, "instance": running(api, instance["id"], timeout) if wait else instance}
    note(f"Deploying version {stored['version']} to '{found['name']}'")
    patch = changes(wanted, found)
    # Beside a server that does not serve, nothing is to be kept up; and its install can be followed.
    serves = found["status"]["state"] in ("Running", "Degraded", "Sleeping")
    if patch or fast or not serves:
        if patch and serves and not fast:
            note("  Its settings change, too: the server is started anew.")
        source = {"version": stored["version"], **patch.pop("source", {})}
        after = mark(api, found["id"])
        instance = api.call("PATCH", f"/instances/{found['id']}", {**patch, "source": source})
        return {**made, "instance": up(api, instance, wait, timeout, after)}
    deployment = begin(api, found["id"], stored["version"], timeout)
    if wait:
        deployed(api, found["id"], deployment, timeout)
    return {**made, "instance": up(api, api.get(f"/instances/{found['id']}"), wait, timeout, mark(api, found["id"]))}


def begin(api, id, version, timeout):
    """Asks for a deployment; one that is under way is waited for."""

    def ask(say):
        try:
            return api.call("POST", f"/instances/{id}/deployments", {"version": version, "drainSeconds": 10})
        except Failure as error:
            if error.code != "deployment-running":
                raise
            say("  Waiting: another deployment is under way")
            return None

    return until(timeout, "Another deployment is under way.", ask)


def up(api, instance, wait, timeout, after):
    """A stopped server is started: who deploys wants it to run."""
    if instance["status"]["state"] == "Stopped":
        instance = api.call("POST", f"/instances/{instance['id']}/start")
    return running(api, instance["id"], timeout, after) if wait else instance


def creation(wanted, made):
    own = wanted.own
    body = {
        "name": wanted.name, "mode": "managed", "environment": wanted.environment, "processes": own.get("processes"), "limits": own.get("limits"), "env": variables(wanted.env, wanted.secrets),
        "source": {"type": "package", "packageId": made["package"], "version": made["version"], "install": own.get("install"), "start": own.get("start")},
    }
    return {name: value for name, value in body.items() if value is not None}


def variables(env, secrets):
    return {**env, **{name: {"secret": value} for name, value in secrets.items()}}


def changes(wanted, found):
    """What else is to change at an instance; empty for nothing."""
    own, patch = wanted.own, {}
    env = {name: value for name, value in wanted.env.items() if found["env"].get(name) != value}
    if env or wanted.secrets:
        patch["env"] = variables(env, wanted.secrets)
    source = {part: own.get(part) for part in ("install", "start") if own.get(part) != found["source"].get(part)}
    if source:
        patch["source"] = source
    if own.get("processes") and own["processes"] != found["processes"]:
        patch["processes"] = own["processes"]
    if any(found["limits"].get(name) != value for name, value in own.get("limits", {}).items()):
        patch["limits"] = own["limits"]
    return patch


def describe(detected):
    def line(head, command):
        return f", {head}: {plain(' '.join(command))}" if command else ""

    note(f"  Detected: {detected['runtime']}{line('installed with', detected.get('install'))}{line('built with', detected.get('build'))}{line('started with', detected.get('start'))}")


def first_token(api, made):
    """The token of the first deploy; None when there is one that opens the server."""
    instance = made["instance"]
    if not made["created"] and api.get(f"/tokens?instance={instance['id']}&limit=1")["total"] > 0:
        return None
    return api.call("POST", "/tokens", {"name": instance["name"], "instances": [instance["id"]]})
