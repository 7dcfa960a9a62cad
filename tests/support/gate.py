"""A gate before a real registry: it counts what passes, and a test can have it spoil answers."""

import contextlib
import http.client
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from support.tokens import serving


@dataclass(frozen=True, slots=True)
class Passed:
    """A request that came to the gate."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Spoiled:
    """What a client gets instead of the registry's answer.

    Without `status` the registry's answer is passed on, its body cut off after `cut` bytes; with it the
    registry sees the request only if it is `reached`.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None
    reached: bool = False


@dataclass(slots=True)
class Gate:
    """A running gate; `spoil` says for each request whether and how its answer is spoiled.

    `connections` is how many clients have made.
    """

    upstream: str
    spoil: Callable[[Passed], Spoiled | None] = lambda _: None
    host: str = ""
    passed: list[Passed] = field(default_factory=list)
    connections: int = 0

    def count(self, method: str, part: str = "") -> int:
        """Count requests by method and a part of their path."""
        return sum(request.method == method and part in request.path for request in self.passed)


def times(
    number: int, part: str, spoiled: Spoiled, method: str = "GET"
) -> Callable[[Passed], Spoiled | None]:
    """Spoil the first `number` requests whose path holds `part`."""
    left = [spoiled] * number

    def spoil(request: Passed) -> Spoiled | None:
        return left.pop() if left and request.method == method and part in request.path else None

    return spoil


@contextlib.contextmanager
def running_gate(upstream: str) -> Iterator[Gate]:
    """Run a gate before the registry at `upstream` (host:port, plain HTTP)."""
    gate = Gate(upstream)

    class Handler(_Handler):
        pass

    Handler.gate = gate
    with serving(Handler) as port:
        gate.host = f"127.0.0.1:{port}"
        yield gate


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    gate: Gate

    def setup(self) -> None:
        self.gate.connections += 1
        super().setup()

    def do_GET(self) -> None:
        request = Passed(self.command, self.path, dict(self.headers.items()))
        self.gate.passed.append(request)
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True  # the client has given up
            return
        spoiled = self.gate.spoil(request)
        if spoiled and spoiled.status:
            if spoiled.reached:
                self._ask(request, body)
            self._answer(spoiled.status, spoiled.headers, spoiled.body)
            return
        self._forward(request, body, spoiled.cut if spoiled else None)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        return

    def _forward(self, request: Passed, body: bytes, cut: int | None) -> None:
        self._answer(*self._ask(request, body), cut)

    def _ask(self, request: Passed, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        # The Host header is the client's, so that the registry's locations lead through the gate.
        connection = http.client.HTTPConnection(self.gate.upstream, timeout=10)
        with contextlib.closing(connection):
            connection.request(request.method, request.path, body, dict(request.headers))
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes, cut: int | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        if "content-length" not in {name.lower() for name in headers}:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True
