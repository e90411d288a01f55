"""A client that speaks only stdio, and a server behind Streamable HTTP: each line of the one is a POST to the other.

  stdin ── one JSON-RPC message a line ──> POST ──> JSON or event stream ─┐
  stdout <── one message a line ──────────────────────────────────────────┴── GET (what the server sends by itself)
"""
import base64
import json
import re
import threading
import time

from mcpcan.errors import UNREACHABLE, Failure
from mcpcan.http import request
from mcpcan.sse import events

PATIENCE = 30  # seconds: for a server that is just starting, and for answers after the end of stdin
MOST = 256  # messages on their way at the same time
META = "io.modelcontextprotocol/protocolVersion"
OWN = object()  # the present session


class Bridge:
    def __init__(self, address, write, warn, token=None, renew_token=lambda: None):
        """renew_token answers a new token when the old one has ended, or None."""
        self._address, self._token, self._renew_token, self._warn = address, token, renew_token, warn
        self._write_line, self._writing = write, threading.Lock()
        self._session = self._version = self._opening = None
        self._renewing = threading.Lock()
        self._room = threading.BoundedSemaphore(MOST)
        self._pending = {}  # what is on its way, with the id of its request
        self._ended = threading.Event()
        self._listening = None  # the response of the GET that is open

    def run(self, input):
        """Carries messages until the input ends."""
        for line in input:
            line = line.decode("utf-8", "replace").strip()
            if line:
                self._take(line)
        end = time.monotonic() + PATIENCE
        for thread in list(self._pending):
            thread.join(max(0, end - time.monotonic()))
        self.close()

    def close(self):
        if self._ended.is_set():
            return
        self._ended.set()
        if self._listening:
            self._listening.abort()
        if self._session:
            try:
                self._send("DELETE", timeout=3).close()
            except Failure:
                pass

    def _write(self, text):
        with self._writing:
            self._write_line(re.sub(r"[\r\n]+", " ", text) + "\n")

    def _take(self, line):
        try:
            message = json.loads(line)
        except ValueError:
            return self._refuse(None, -32700, "Parse error: this line is not valid JSON.")
        if not isinstance(message, (dict, list)):
            return self._refuse(None, -32600, "Invalid request: this line is no JSON-RPC message.")
        method = message.get("method") if isinstance(message, dict) else None
        if method == "initialize":
            self._opening, self._session, self._version = line, None, None
        if method == "notifications/cancelled":  # its answer need not be waited for
            cancelled = (message.get("params") or {}).get("requestId")
            for other in [t for t, id in list(self._pending.items()) if id is not None and id == cancelled]:
                self._pending.pop(other, None)
        # What follows needs the session; all else may go side by side, so that a long call holds up nothing.
        if method in ("initialize", "notifications/initialized"):
            self._post(line, message)
        else:
            self._room.acquire()
            thread = threading.Thread(target=self._aside, args=(line, message), daemon=True)
            self._pending[thread] = message.get("id") if isinstance(message, dict) else None
            thread.start()
        if method == "notifications/initialized":
            self._listen()

    def _aside(self, line, message):
        try:
            self._post(line, message)
        finally:
            self._room.release()
            self._pending.pop(threading.current_thread(), None)

    def _post(self, line, message):
        single = message if isinstance(message, dict) else {}
        method = single.get("method")
        wanted = single.get("id") if method is not None else None

        def seen(reply):
            if method == "initialize":
                self._version = (reply.get("result") or {}).get("protocolVersion")

        try:
            response = self._deliver(line, single)
            if method == "initialize":
                self._session = response.headers.get("mcp-session-id")
            self._answer(response, wanted, seen)
        except Exception as error:  # whatever it is: the client waits for an answer
            if self._ended.is_set():
                return
            if wanted is None:
                self._warn(str(error))
            else:
                self._refuse(wanted, -32000, str(error))

    def _refuse(self, id, code, message):
        self._write(json.dumps({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}, ensure_ascii=False, separators=(",", ":")))

    def _deliver(self, line, message, own=OWN):
        """Sends until the server takes it: it may just be starting, or have forgotten the session. own: the session to use in place of the present one, None for none."""
        until, renewed = time.monotonic() + PATIENCE, own is not OWN
        while True:
            session = self._session if own is OWN else own
            try:
                response = self._send("POST", line, message, session=session)
            except Failure as error:
                if error.exit != UNREACHABLE or "refused" not in error.message or time.monotonic() > until:
                    raise
                self._ended.wait(0.5)
                continue
            if response.status < 300:
                return response
            body = response.text()
            if response.status == 503 and time.monotonic() < until and not self._ended.is_set():
                after = response.headers.get("retry-after") or ""
                self._ended.wait(min(int(after) if after.isdigit() and int(after) else 0.3, 1))
            elif response.status == 404 and session and self._opening and not renewed:
                renewed = True
                self._renew(session)
            elif response.status == 401 and not renewed and self._new_token():
                renewed = True
            else:
                raise Failure(refusal(response.status, body))

    def _new_token(self):
        token = self._renew_token()
        self._token = token or self._token
        return token

    def _renew(self, old):
        """A new session in place of one that is gone; the client need not know."""
        with self._renewing:
            if self._session != old:
                return  # somebody else was quicker
            response = self._deliver(self._opening, json.loads(self._opening), None)
            session = response.headers.get("mcp-session-id")
            found = re.search(r'"protocolVersion"\s*:\s*"([^"]+)"', response.text())
            self._version = found.group(1) if found else self._version
            initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            self._deliver(json.dumps(initialized), initialized, session).close()
            self._session = session
            self._listen()

    def _answer(self, response, wanted, seen):
        """Writes what a response carries. An event stream that is cut is asked for again."""
        if not (response.headers.get("content-type") or "").startswith("text/event-stream"):
            body = response.text()
            if body.strip():
                seen(json.loads(body))
                self._write(body)
            return
        last, wait, tries = None, 500, 0
        while True:
            try:
                for id, data, retry in events(response):
                    last, wait = id if id is not None else last, retry if retry is not None else wait
                    if not data.strip():
                        continue
                    reply = json.loads(data)
                    done = wanted is not None and reply.get("id") == wanted and "method" not in reply
                    if done:
                        seen(reply)
                    self._write(data)
                    if done:
                        wanted = None
            except Failure:
                if not last or self._ended.is_set():
                    raise
            response.close()
            if wanted is None:
                return
            if not last or tries >= 20:
                raise Failure("The connection ended before the answer came.")
            tries += 1
            self._ended.wait(wait / 1000)
            response = self._send("GET", headers={"Last-Event-ID": last})
            if response.status != 200:
                raise Failure(refusal(response.status, response.text()))

    def _listen(self):
        """The stream of what the server sends by itself; servers may have none."""
        if self._listening:
            self._listening.abort()
        threading.Thread(target=self._hear, args=(self._session,), daemon=True).start()

    def _hear(self, session):
        last, wait = None, 1000
        while not self._ended.is_set() and session == self._session:
            try:
                response = self._send("GET", headers={"Last-Event-ID": last} if last else {}, session=session)
                self._listening = response
                if response.status not in (200, 503) or self._ended.is_set() or session != self._session:
                    response.close()
                    return
                for id, data, retry in events(response):
                    last, wait = id if id is not None else last, retry if retry is not None else wait
                    if response.status == 200 and data.strip():
                        self._write(data)
                response.close()
            except Failure:
                pass  # cut: asked for again below
            self._ended.wait(wait / 1000)

    def _send(self, method, body=None, message=None, headers=None, session=OWN, timeout=None):
        session = self._session if session is OWN else session
        params = (message or {}).get("params")
        meta = params.get("_meta") if isinstance(params, dict) else None
        version = meta.get(META) if isinstance(meta, dict) else None
        sent = {**(headers or {}), "Accept": "text/event-stream" if method == "GET" else "application/json, text/event-stream"}
        if body:
            sent["Content-Type"] = "application/json"
        if self._token:
            sent["Authorization"] = f"Bearer {self._token}"
        if session:
            sent["Mcp-Session-Id"] = session
        if version:
            sent.update(modern(version, message))
        elif self._version:
            sent["MCP-Protocol-Version"] = self._version
        return request(method, self._address, sent, body, timeout=timeout)


def modern(version, message):
    """The headers of a message of revision 2026-07-28 or later, which repeat what it says."""
    method, params = message.get("method"), message["params"]
    name = {"tools/call": params.get("name"), "prompts/get": params.get("name"), "resources/read": params.get("uri")}.get(method)
    return {"MCP-Protocol-Version": version, **({"Mcp-Method": encoded(method)} if method else {}), **({"Mcp-Name": encoded(name)} if name else {})}


def encoded(text):
    if re.fullmatch(r"[!-~]([ -~]*[!-~])?", text) and not text.lower().startswith("=?base64?"):
        return text
    return f"=?base64?{base64.b64encode(text.encode('utf-8')).decode('ascii')}?="


def refusal(status, body):
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    said = said if isinstance(said, dict) else {}
    error = said.get("error")
    reason = (error.get("message") if isinstance(error, dict) else None) or said.get("detail") or said.get("title")
    fix = " The token is not valid: give another with --token or MCPCAN_TOKEN." if status == 401 else ""
    return f"The server refused the message ({status}){f': {reason}' if reason else '.'}{fix}"
