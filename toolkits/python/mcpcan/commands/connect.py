import datetime
import os
import re
import signal
import socket
import sys

from mcpcan.api import Api
from mcpcan.args import Command, Option
from mcpcan.bridge import Bridge
from mcpcan.errors import Failure
from mcpcan.output import warn, write
from mcpcan.settings import address as checked
from mcpcan.signals import end


def run(options, args):
    name, token = args[0], options.get("token") or os.environ.get("MCPCAN_TOKEN")
    own = None
    if re.match(r"https?://", name):
        bridge = Bridge(checked(name), write, warn, token)
    else:
        api = Api()
        instance = api.instance(name)
        own = None if token else OwnToken(api, instance)
        bridge = Bridge(api.address(instance), write, warn, token or own.value, own.renew if own else lambda: None)
    try:
        for name in ("SIGINT", "SIGTERM"):
            signal.signal(getattr(signal, name), end)
        bridge.run(iter(sys.stdin.buffer.readline, b""))
    except KeyboardInterrupt:
        pass
    finally:
        bridge.close()
        if own:
            own.delete()


class OwnToken:
    """A token for as long as the connection lasts."""

    def __init__(self, api, instance):
        self._api, self._instance = api, instance
        self.renew()

    def renew(self):
        ends = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
        made = self._api.call("POST", "/tokens", {"name": f"connect {socket.gethostname()}"[:100].strip(), "instances": [self._instance["id"]], "expiresAt": ends.isoformat()})
        self._id, self.value = made["id"], made["value"]
        return self.value

    def delete(self):
        try:
            self._api.call("DELETE", f"/tokens/{self._id}")
        except Failure:
            pass  # it ends by itself


command = Command(
    "connect", "Connect a client that speaks only stdio to a server: JSON-RPC on standard input and output", run, args=["instance"],
    more=[
        "INSTANCE may also be an address, with --token or MCPCAN_TOKEN; then no API key is needed.",
        "Without a token, one is made with the API key for as long as the connection lasts (24 hours at most, then a new one).",
    ],
    options={"token": Option("token of the gateway (mct_…); better in MCPCAN_TOKEN", value="TOKEN")})
