import os
import subprocess
import sys

from mcpcan.api import Api
from mcpcan.args import Command, Option
from mcpcan.output import result, say


def run(options, args):
    api = Api()
    url = api.console(api.instance(args[0]))
    say(url)
    result({"url": url})
    if not options.get("no-browser") and sys.stdout.isatty() and not os.environ.get("CI"):
        browse(url)


def browse(url):
    program = {"win32": ["rundll32", "url.dll,FileProtocolHandler"], "darwin": ["open"]}.get(sys.platform, ["xdg-open"])
    if program == ["xdg-open"] and not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        return
    try:
        subprocess.Popen([*program, url], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError:
        pass  # the address is printed


command = Command("open", "Print the address of a server's page in the console, and open it where there is a browser", run, args=["instance"], options={"no-browser": Option("only print it")})
