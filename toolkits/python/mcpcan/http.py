"""One HTTP request by Python's own client. No time limit of its own: logs and event streams may be silent for long."""
import errno
import http.client
import socket
import ssl
from urllib.parse import urlsplit

from mcpcan import __version__
from mcpcan.errors import UNREACHABLE, Failure

BROKEN = (OSError, http.client.HTTPException, ValueError)  # ValueError: read from what another thread has closed


class Response:
    def __init__(self, url, sock, connection, response):
        self._url, self._sock, self._connection, self._response = url, sock, connection, response
        self.status, self.headers = response.status, response.headers

    def parts(self):
        try:
            while True:
                part = self._response.read1(65536)
                if not part:
                    return
                yield part
        except BROKEN as error:
            raise unreachable(self._url, error) from None

    def text(self):
        try:
            return b"".join(self.parts()).decode("utf-8", "replace")
        finally:
            self.close()

    def lines(self):
        """The lines, as they come."""
        rest = b""
        for part in self.parts():
            *whole, rest = (rest + part).split(b"\n")
            for line in whole:
                yield line.decode("utf-8", "replace")
        if rest:
            yield rest.decode("utf-8", "replace")

    def abort(self):
        """Ends it from another thread."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self):
        self._connection.close()


def request(method, url, headers=None, body=None, length=None, timeout=None):
    """body: a text, bytes, or parts with their length told."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = {"User-Agent": f"mcpcan-cli/{__version__}", **(headers or {})}
    if isinstance(body, str):
        body = body.encode("utf-8")
    if body is not None:
        sent["Content-Length"] = str(length if length is not None else len(body))
    elif method != "GET":
        sent["Content-Length"] = "0"
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=60, context=ssl.create_default_context())
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    try:
        connection.connect()
        sock = connection.sock
        sock.settimeout(timeout)
        try:
            connection.request(method, path, body, sent)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it may have answered before it had read all: a refusal
        return Response(url, sock, connection, connection.getresponse())
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise unreachable(url, error) from None


REASONS = {
    errno.ECONNREFUSED: "the connection was refused", errno.ECONNRESET: "the connection was cut", errno.ETIMEDOUT: "it does not answer",
    errno.EHOSTUNREACH: "the host is not reached", errno.ENETUNREACH: "the network is not reached",
}


def unreachable(url, error):
    if isinstance(error, socket.gaierror):
        reason = "the host name is not known"
    elif isinstance(error, socket.timeout):
        reason = "it does not answer"
    elif isinstance(error, (http.client.HTTPException, ValueError)):
        reason = "the connection was cut"
    else:
        reason = REASONS.get(error.errno, str(error))
    parts = urlsplit(url)
    return Failure(f"MCPCAN is not reached at {parts.scheme}://{parts.netloc}: {reason}. Check the address, and that it runs.", exit=UNREACHABLE, code="unreachable")
