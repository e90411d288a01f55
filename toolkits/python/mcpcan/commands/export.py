import json

from mcpcan.api import Api
from mcpcan.args import Command, Option
from mcpcan.output import note, result, say


def run(options, args):
    state = Api().get("/state")
    text = json.dumps(state, indent=2, ensure_ascii=False)
    if not options.get("file"):
        say(text)
    else:
        with open(options["file"], "w", encoding="utf-8") as stream:
            stream.write(text + "\n")
        note(f"Written to {options['file']}")
    result(state)


command = Command("export", "Write what there is in the form of `mcpcan apply`", run, options={
    "file": Option("where to write it; standard output unless given", value="FILE", short="f"),
}, more=['Secrets are not part of it: they stand as { "secret": true }, which keeps what is stored.'])
