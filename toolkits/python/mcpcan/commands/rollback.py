from mcpcan.api import Api
from mcpcan.args import Command, Option, number
from mcpcan.deployment import begin
from mcpcan.errors import Failure
from mcpcan.output import note, result, say
from mcpcan.wait import deployed, mark, running


def run(options, args):
    timeout = number(options.get("timeout"), "--timeout", 600)
    api = Api()
    instance = api.instance(args[0])
    name, source = instance["name"], instance.get("source") or {}
    if source.get("type") != "package":
        raise Failure(f"'{name}' does not run uploaded code, so it has no versions.", code="no-package")
    package = api.get(f"/packages/{source['packageId']}")
    now = source.get("version") or package["version"]
    target = number(args[1], "VERSION") if len(args) > 1 else before(api, instance, now, [v["version"] for v in package["versions"]])
    note(f"Going back from version {now} to version {target} of '{name}'")
    deployment = begin(api, instance["id"], target, timeout)
    wait, is_stopped = not options.get("no-wait"), instance["status"]["state"] == "Stopped"
    if wait:
        deployed(api, instance["id"], deployment, timeout)
        if not is_stopped:
            running(api, instance["id"], timeout, mark(api, instance["id"]))
    say(f"Version {target} of '{name}' " + ("runs at its next start." if wait and is_stopped else "runs." if wait else "is on its way."))
    result({"instance": instance["id"], "from": now, "version": target})


def before(api, instance, now, there):
    """What ran before the present version came; failing that, the next lower one."""
    deployments = api.get(f"/instances/{instance['id']}/deployments?limit=100")["items"]
    last = next((d for d in deployments if d["state"] == "Deployed" and d["version"] == now), None)
    if last and last.get("previous") and last["previous"] != now and last["previous"] in there:
        return last["previous"]
    lower = [v for v in there if v < now]
    if not lower:
        raise Failure(f"'{instance['name']}' runs version {now}, and there is no earlier one.", code="no-version")
    return max(lower)


command = Command("rollback", "Go back to an earlier version of a server; to the one before unless told which", run, args=["instance", "version?"], options={
    "no-wait": Option("do not wait until it runs"),
    "timeout": Option("how long to wait (600)", value="SECONDS"),
})
