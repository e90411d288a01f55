"""Waits for what MCPCAN does meanwhile, and tells it."""
import threading
import time

from mcpcan.errors import NOT_FOUND, Failure, timed_out
from mcpcan.output import note, plain

PACE = 0.3

SETTLED = ("Running", "Registered", "Sleeping", "Stopped", "Failed", "Degraded")


def running(api, id, seconds, after=0):
    """Until a started instance runs, with its phases and the log of its install from where `mark` was. Fails when it does."""

    def ask(say):
        instance = api.get(f"/instances/{id}")
        status = instance["status"]
        say(f"  {status['state']}{': ' + status['phase'] if status.get('phase') else ''}")
        if status["state"] not in SETTLED:
            return None
        if status["state"] == "Failed":
            raise failed(instance)
        return instance

    with Follow(api, id, after=after):
        return until(seconds, f"It may still come: mcpcan logs {id} -f", ask)


def failed(instance):
    status = instance["status"]
    last = (status.get("lastExit") or {}).get("lastLines") or []
    return Failure(f"The server '{instance['name']}' does not run: {status.get('reason') or 'no reason is known'}", code="server-failed", lines=[*map(plain, last), f"See: mcpcan logs {instance['slug']}"])


def deployed(api, id, deployment, seconds):
    """Until a version is deployed. The old one serves on when it fails."""

    def ask(say):
        now = api.get(f"/instances/{id}/deployments/{deployment['id']}")
        state, version = now["state"], now["version"]
        say("  " + {"Trying": f"Trying version {version} beside the one that serves", "Switching": f"Switching: version {version} takes new sessions"}.get(state, state))
        if state in ("Trying", "Switching"):
            return None
        if state == "Deployed":
            return now
        serves = f"Version {now['previous']} serves on." if now.get("previous") else ""
        raise Failure(f"Version {version} was not deployed: {now.get('reason') or state} {serves}".rstrip(), code="deployment-failed", lines=map(plain, now["log"]))

    with Follow(api, id, run="next", since=deployment["startedAt"]):
        return until(seconds, "It goes on meanwhile; see the console.", ask)


def gone(api, id, seconds):
    """Until it is gone."""

    def ask(say):
        try:
            api.get(f"/instances/{id}")
            return None
        except Failure as error:
            if error.exit == NOT_FOUND:
                return True
            raise

    return until(seconds, "It goes on meanwhile.", ask)


def until(seconds, hint, ask):
    """Asks again until there is an answer. `say` tells each new thing once."""
    end = time.monotonic() + seconds
    last = [None]

    def say(text):
        if text != last[0]:
            last[0] = text
            note(text)

    while True:
        answer = ask(say)
        if answer:
            return answer
        if time.monotonic() > end:
            raise timed_out(f"Not done within {seconds} seconds. {hint}")
        time.sleep(PACE)


def mark(api, id):
    """The number of an instance's last log line: what comes after it is new."""
    return next((line["n"] for line in api.logs(id, {"tail": 1})[1]), 0)


class Follow:
    """Shows the log of an install while it lasts."""

    def __init__(self, api, id, **start):
        self._api, self._id, self._response, self._over = api, id, None, False
        self._query = {"follow": "true", "stream": "install", **start}
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._over = True
        if self._response:
            self._response.abort()
        self._thread.join(1)

    def _read(self):
        # The log may not be there yet, or be cut: then it is asked for again.
        while not self._over:
            try:
                self._response, lines = self._api.logs(self._id, self._query)
                for line in lines:
                    if self._over:
                        return
                    self._query["after"] = line["n"]
                    note(f"  | {plain(line['msg'])}")
            except (Failure, ValueError):
                pass  # the states are told anyway
            time.sleep(PACE)
