"""Sends the folder's archive, as a new package or as the next version of one."""
import json
import os
import shutil
import tempfile
import uuid

from mcpcan.api import encode
from mcpcan.errors import Failure
from mcpcan.output import note, progress, size
from mcpcan.pack import pack


def upload(api, files, name, package_id, notes=None):
    """Answers the package with its new version. package_id: None for a new package, which takes the name."""
    folder = tempfile.mkdtemp(prefix="mcpcan-")
    try:
        archive = os.path.join(folder, "package.tar.gz")
        count = pack(files, archive)
        note(f"Uploading {len(files)} {'file' if len(files) == 1 else 'files'} ({size(count)} packed)")

        def send(id):
            body, length, headers = form(archive, count, {"notes": notes} if id else {"name": name, "notes": notes})
            return json.loads(api.send("POST", f"/packages/{id}/versions" if id else "/packages", body=body, length=length, headers=headers).text())

        try:
            return send(package_id)
        except Failure as error:
            if package_id or error.code != "name-taken":
                raise
            # The package of a server that was deleted.
            old = next((p for p in api.all(f"/packages?search={encode(name)}") if p["name"] == name), None)
            if not old:
                raise
            return send(old["id"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def form(archive, count, fields):
    boundary = f"mcpcan-{uuid.uuid4()}"

    def part(head, value):
        return f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}"

    before = ("".join(part(f'name="{k}"', v) + "\r\n" for k, v in fields.items() if v) + part('name="file"; filename="package.tar.gz"', "")).encode("utf-8")
    after = f"\r\n--{boundary}--\r\n".encode("ascii")
    bar = progress("Uploading", count)

    def body():
        done = 0
        yield before
        with open(archive, "rb") as content:
            while True:
                chunk = content.read(65536)
                if not chunk:
                    break
                yield chunk
                done += len(chunk)
                bar(done)
        yield after

    return body(), len(before) + count + len(after), {"Content-Type": f"multipart/form-data; boundary={boundary}"}
