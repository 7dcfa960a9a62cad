"""A proxy for HTTP: CONNECT for TLS, whole URLs for the rest."""

import base64
import contextlib
import http.client
import selectors
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from support.tokens import serving


@dataclass(slots=True)
class Proxy:
    """A running proxy; `asked` is what it was asked for, `where` tells where names really are."""

    where: Mapping[str, str]
    login: str = ""
    host: str = ""
    asked: list[str] = field(default_factory=list)


@contextlib.contextmanager
def running_proxy(
    where: Mapping[str, str], login: str = "", context: ssl.SSLContext | None = None
) -> Iterator[Proxy]:
    """Run a proxy that wants `login` (`user:password`) unless it is ""; by TLS where there is a context."""
    proxy = Proxy(where, login)

    class Handler(_Handler):
        pass

    Handler.proxy = proxy
    with serving(Handler, context) as port:
        proxy.host = f"127.0.0.1:{port}"
        yield proxy


class _Handler(BaseHTTPRequestHandler):
    proxy: Proxy

    def do_CONNECT(self) -> None:
        if self._is_refused():
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((self.proxy.where[host], int(port))) as other:
            self.send_response(200)
            self.end_headers()
            _join(self.connection, other)

    def do_GET(self) -> None:
        if self._is_refused():
            return
        parts = urlsplit(self.path)
        where = f"{self.proxy.where[parts.hostname or '']}:{parts.port}"
        with contextlib.closing(http.client.HTTPConnection(where, timeout=10)) as connection:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {
                name: value for name, value in self.headers.items() if name.lower() != "proxy-authorization"
            }
            path = f"{parts.path}?{parts.query}" if parts.query else parts.path
            connection.request(self.command, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        return

    def _is_refused(self) -> bool:
        self.proxy.asked.append(f"{self.command} {self.path}")
        wanted = f"Basic {base64.b64encode(self.proxy.login.encode()).decode()}"
        if not self.proxy.login or self.headers.get("Proxy-Authorization") == wanted:
            return False
        self.send_response(407)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return True


def _join(one: socket.socket, other: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for ready, _ in selector.select():
                data = ready.fileobj.recv(65536)  # type: ignore[union-attr]
                if not data:
                    return
                ready.data.sendall(data)
