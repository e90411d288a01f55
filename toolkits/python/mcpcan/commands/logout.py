from mcpcan.args import Command
from mcpcan.output import result, say
from mcpcan.settings import forget, stored


def run(options, args):
    url = stored().get("url")
    forget()
    say(f"Signed out of {url}. The API key itself is still good: delete it in the console." if url else "Nobody was signed in.")
    result({"url": url})


command = Command("logout", "Forget the address and the API key", run)
