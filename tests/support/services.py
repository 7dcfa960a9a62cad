"""A service that gives fixed answers to requests and remembers them."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answers = Mapping[str, bytes | int]
"""What is answered by method and path, `GET /path`: a body, or a status without one; 404 for all else."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came."""

    line: str
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Service:
    """A running service, and what it was asked."""

    address: str
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def answering(answers: Answers) -> Iterator[Service]:
    """Run a service on the loopback."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            line = f"{self.command} {self.path}"
            asked.append(Asked(line, dict(self.headers), body))
            found = answers.get(line, 404)
            content = found if isinstance(found, bytes) else b"refused"
            self.send_response(200 if isinstance(found, bytes) else found)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield Service(f"http://127.0.0.1:{server.server_port}", asked)
        server.shutdown()
        thread.join()
