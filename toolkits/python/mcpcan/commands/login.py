import os

from mcpcan.api import Api
from mcpcan.args import Command, Option
from mcpcan.errors import usage
from mcpcan.output import note, result, say
from mcpcan.prompt import ask, at_terminal, piped
from mcpcan.settings import address, file, keep, stored


def run(options, args):
    asks = at_terminal()
    url = options.get("url") or os.environ.get("MCPCAN_URL")
    known = url or stored().get("url")
    if not url and asks:
        url = ask(f"Address of MCPCAN [{known or 'http://127.0.0.1:7300'}]: ") or known or "http://127.0.0.1:7300"
    url = url or known
    if not url:
        raise usage("Which MCPCAN? Give --url URL, for example --url http://127.0.0.1:7300")
    url = address(url)
    key = options.get("api-key") or os.environ.get("MCPCAN_API_KEY")
    if not key:
        key = ask("API key: ", hidden=True) if asks else piped()
    if not key:
        raise usage("No API key was given. Pipe it in, give --api-key KEY, or set MCPCAN_API_KEY.")
    me = Api(url, key).get("/me")
    keep({"url": url, "apiKey": key})
    note(f"Kept in {file()}")
    say(f"Signed in at {url} as {me['name']} ({me['role']}).")
    result({"url": url, "name": me["name"], "role": me["role"], "rights": me["rights"], "file": file()})


command = Command(
    "login", "Sign in with an address and an API key, and keep them for this user", run,
    more=["Make a key in the console (Settings, API keys) or with `mcpcan api-key create` on the server.", "Where there is no terminal, the key is read from --api-key, MCPCAN_API_KEY, or the first line of standard input."],
    options={
        "url": Option("address of MCPCAN", value="URL"),
        "api-key": Option("API key (mck_…); better piped in than written here", value="KEY"),
    })
