import json
import os

from mcpcan.args import Command, Option
from mcpcan.errors import Failure
from mcpcan.output import result, say
from mcpcan.project import SETTINGS_FILE, detect
from mcpcan.settings import stored


def run(options, args):
    folder = args[0] if args else "."
    found = detect(folder)
    if not found:
        raise Failure(f"No Node, TypeScript or Python project is recognised in '{folder}': there is no package.json, pyproject.toml, requirements.txt, and no .js, .ts or .py file.", code="no-project")
    file = os.path.normpath(os.path.join(folder, SETTINGS_FILE))
    if os.path.exists(file) and not options.get("force"):
        raise Failure(f"There is a {SETTINGS_FILE} already. Write over it with --force.", code="exists")
    language, own = found
    name = options.get("name") or own
    server = os.environ.get("MCPCAN_URL") or stored().get("url") or "http://127.0.0.1:7300"
    with open(file, "w", encoding="utf-8", newline="\n") as out:
        out.write(json.dumps({"$schema": f"{server.rstrip('/')}/schemas/mcpcan.json", "name": name}, indent=2, ensure_ascii=False) + "\n")
    say(f"Wrote {SETTINGS_FILE}: a {language} project named '{name}'.")
    say("Deploy it with: mcpcan deploy")
    result({"file": file, "name": name, "language": language})


command = Command("init", "Recognise the project in a folder and write its mcpcan.json", run, args=["folder?"], options={
    "name": Option("the server's name; the project's unless given", value="NAME"),
    "force": Option("write over a mcpcan.json that is there"),
})
