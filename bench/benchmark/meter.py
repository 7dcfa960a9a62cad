"""What goes over the wire to a registry: a proxy that counts bytes and requests."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field

_CHUNK = 1 << 18
_REQUEST = re.compile(rb"(?:^|\n)(?:GET|HEAD|POST|PUT|PATCH|DELETE) [^ \r\n]* HTTP/1\.1\r\n")


@dataclass(slots=True)
class Meter:
    """Counts since the last time that it was asked; `host` is where it listens, HOST:PORT."""

    host: str
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _requests: int = 0
    _bytes: int = 0

    def count(self, data: bytes, *, is_sent: bool) -> None:
        """Count what passes; a request's first line comes in one piece, as all clients send it."""
        with self._lock:
            self._bytes += len(data)
            self._requests += len(_REQUEST.findall(data)) if is_sent else 0

    def take(self) -> tuple[int, int]:
        """Return how many requests and bytes there were, and begin anew."""
        with self._lock:
            taken = self._requests, self._bytes
            self._requests = self._bytes = 0
            return taken


@contextmanager
def metered(upstream: str) -> Iterator[Meter]:
    """Listen on the loopback interface for what goes to HOST:PORT."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        meter = Meter(f"127.0.0.1:{server.getsockname()[1]}")
        threading.Thread(target=_accept, args=(server, upstream, meter), daemon=True).start()
        yield meter


def _accept(server: socket.socket, upstream: str, meter: Meter) -> None:
    host, _, port = upstream.rpartition(":")
    with suppress(OSError):  # closed
        while True:
            client, _ = server.accept()
            registry = socket.create_connection((host, int(port)))
            for end in (client, registry):
                # What comes in two writes would be held back until the first is acknowledged, 40 ms later.
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for pair, is_sent in (((client, registry), True), ((registry, client), False)):
                threading.Thread(target=_pass, args=(*pair, meter, is_sent), daemon=True).start()


def _pass(source: socket.socket, sink: socket.socket, meter: Meter, is_sent: bool) -> None:
    with suppress(OSError):
        while data := source.recv(_CHUNK):
            meter.count(data, is_sent=is_sent)
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
