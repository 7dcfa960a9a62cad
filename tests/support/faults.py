"""A bad network between a client and a server: a TCP proxy whose connections fail in all common ways."""

import contextlib
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_KINDS = ("cut", "cut request", "stall", "flip", "status", "length", "slow")
_STATUSES = (429, 500, 502, 503)
_LENGTH = re.compile(rb"(?i)(content-length: *)([0-9]+)")
_BLOCK = 65536


@dataclass(slots=True)
class Faults:
    """A running proxy: a part `rate` of its connections fails, as `chance` has it; `seen` tells how."""

    upstream: str
    chance: random.Random
    rate: float
    stall: float
    host: str = ""
    seen: list[str] = field(default_factory=list)


@contextlib.contextmanager
def running_faults(upstream: str, seed: int, *, rate: float = 0.4, stall: float = 2) -> Iterator[Faults]:
    """Run a proxy before `upstream` (host:port); what stalls hangs up after `stall` seconds."""
    faults = Faults(upstream, random.Random(seed), rate, stall)
    ended = threading.Event()
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        faults.host = f"127.0.0.1:{listener.getsockname()[1]}"

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    kind = faults.chance.choice(_KINDS) if faults.chance.random() < faults.rate else ""
                    # Most answers are short; some faults come late in a long one.
                    place = int(2 ** faults.chance.uniform(0, 18))
                    faults.seen.append(kind)
                    link = _Link(faults, client, kind, place, faults.chance.choice(_STATUSES), ended)
                    threads.append(threading.Thread(target=link.run, daemon=True))
                    threads[-1].start()

        acceptor = threading.Thread(target=serve, daemon=True)
        acceptor.start()
        try:
            yield faults
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for thread in threads:
                thread.join(60)
                assert not thread.is_alive(), "the other side still listens"


@dataclass(slots=True)
class _Link:
    """One connection: what comes from the server is spoiled after `place` bytes."""

    faults: Faults
    client: socket.socket
    kind: str
    place: int
    status: int
    ended: threading.Event

    def run(self) -> None:
        with self.client, contextlib.suppress(OSError):
            if self.kind == "status":
                self._refuse()
                return
            host, _, port = self.faults.upstream.partition(":")
            with socket.create_connection((host, int(port)), 10) as server:
                server.settimeout(30)
                self.client.settimeout(30)
                ends = (self.client, server)
                sending = threading.Thread(target=self._pump, args=(*ends, self._asked), daemon=True)
                sending.start()
                self._pump(server, self.client, self._answered)
                sending.join()

    def _refuse(self) -> None:
        self.client.settimeout(10)
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.client.recv(_BLOCK) or b"\r\n\r\n"
        wait = b"Retry-After: 0\r\n" if self.status == 429 else b""
        end = b"Content-Length: 0\r\nConnection: close\r\n\r\n"
        self.client.sendall(b"HTTP/1.1 %d x\r\n%s%s" % (self.status, wait, end))

    def _pump(
        self, source: socket.socket, target: socket.socket, spoil: Callable[[bytes, int], bytes | None]
    ) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(_BLOCK):
                spoiled = spoil(data, passed)
                if spoiled is None:
                    break
                target.sendall(spoiled)
                passed += len(data)
        for side in (source, target):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def _asked(self, data: bytes, passed: int) -> bytes | None:
        return None if self.kind == "cut request" and passed + len(data) > self.place else data

    def _answered(self, data: bytes, passed: int) -> bytes | None:
        left = self.place - passed
        if self.kind == "slow":
            time.sleep(0.002)
        if self.kind == "length":
            data = _LENGTH.sub(lambda match: match[1] + b"%d" % (int(match[2]) + 1 - self.place % 3), data)
        if not 0 <= left < len(data):
            return data
        if self.kind == "flip":
            return data[:left] + bytes([data[left] ^ 1 << self.place % 7]) + data[left + 1 :]
        if self.kind in ("cut", "stall"):
            self.client.sendall(data[:left])
            if self.kind == "stall":
                self.ended.wait(self.faults.stall)
            return None
        return data
