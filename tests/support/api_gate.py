"""A gate before a real API server, by plain HTTP: it counts what passes, and a test has it make trouble."""

import contextlib
import http.client
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from ssl import SSLContext
from types import MappingProxyType

from support.tokens import serving

_OWN = ("host", "accept-encoding")
"""Headers of a client's that are for the gate: what passes is plain."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: `kind` is its method, or WATCH, with what it is for, such as PUT imagebuilds/status."""

    method: str
    path: str

    @property
    def kind(self) -> str:
        path, _, query = self.path.partition("?")
        parts = [part for part in path.split("/") if part]
        parts = parts[2:] if parts[0] == "api" else parts[3:]
        if parts[:1] == ["namespaces"] and len(parts) > 2:
            parts = parts[2:]
        method = "WATCH" if "watch=true" in query else self.method
        return f"{method} {'/'.join([*parts[:1], *parts[2:]])}"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What becomes of a request: it is answered by `status` or by a `page`, or late by `seconds`.

    A watch that `ends` does so after its next step, with an ERROR of `code` if that is not 0.
    """

    status: int = 0
    retry_after: int | None = None
    seconds: float = 0
    ends: bool = False
    code: int = 0
    page: str = ""


@dataclass(slots=True)
class ApiGate:
    """A running gate; `trouble` says what becomes of a request, `passed` counts them by kind."""

    port: int
    trust: SSLContext
    trouble: Callable[[Asked], Trouble | None] = lambda _: None
    host: str = ""
    passed: Counter[str] = field(default_factory=Counter)
    troubled: int = 0


@contextlib.contextmanager
def running_api_gate(port: int, trust: SSLContext) -> Iterator[ApiGate]:
    """Run a gate before the API server at a port of this machine."""
    gate = ApiGate(port, trust)

    class Handler(_Handler):
        pass

    Handler.gate = gate
    with serving(Handler) as own:
        gate.host = f"http://127.0.0.1:{own}"
        yield gate


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    gate: ApiGate

    def do_GET(self) -> None:
        asked = Asked(self.command, self.path)
        self.gate.passed[asked.kind] += 1
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        trouble = self.gate.trouble(asked)
        if trouble is not None:
            self.gate.troubled += 1
            time.sleep(trouble.seconds)
            if trouble.status:
                self._refuse(trouble)
                return
            if trouble.page:
                self._answer(200, "text/html", trouble.page.encode())
                return
        with contextlib.suppress(OSError, http.client.HTTPException):
            self._forward(asked, body)
            return
        # As a server that is gone: nothing more comes.
        self.close_connection = True

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        return

    def _refuse(self, trouble: Trouble) -> None:
        data = json.dumps({"kind": "Status", "message": "there is trouble", "code": trouble.status}).encode()
        headers = {} if trouble.retry_after is None else {"Retry-After": str(trouble.retry_after)}
        self._answer(trouble.status, "application/json", data, headers)

    def _answer(
        self, status: int, kind: str, data: bytes, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.send_response_only(status)
        for name, value in {**headers, "Content-Type": kind, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _forward(self, asked: Asked, body: bytes) -> None:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.gate.port, timeout=60, context=self.gate.trust
        )
        with contextlib.closing(connection):
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _OWN}
            connection.request(asked.method, asked.path, body, headers)
            answer = connection.getresponse()
            self.send_response_only(answer.status)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
            if asked.kind.startswith("WATCH") and answer.status == 200:
                self._stream(asked, answer)
                return
            data = answer.read()
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def _stream(self, asked: Asked, answer: http.client.HTTPResponse) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        trouble: Trouble | None = None
        while (trouble is None or not trouble.ends) and (line := answer.readline()):
            self._chunk(line)
            # Of now: it may have begun long before.
            trouble = self.gate.trouble(asked)
        self.gate.troubled += trouble is not None
        if trouble is not None and trouble.code:
            status = {"kind": "Status", "code": trouble.code, "message": "too old resource version"}
            self._chunk(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()
