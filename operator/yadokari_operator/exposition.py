"""GET /metrics: whoever reaches it may ask, any pod of the cluster for one, and none writes into the log."""

import contextlib
import logging
import socket
import threading
import time
from socketserver import BaseRequestHandler, ThreadingTCPServer

from prometheus_client import CollectorRegistry, MetricsHandler

logger = logging.getLogger(__name__)

MOST = 16
"""Who is answered at a time; one who comes then takes the place of the one who has been there for longest."""

_LONGEST = 10.0
"""Seconds in which one must have asked and taken the answer."""


def serve(registry: CollectorRegistry, address: str, longest: float = _LONGEST) -> None:
    """Tell at HOST:PORT from now on what a registry has, in threads of its own. Raises `OSError`.

    `longest` is for how many seconds anybody is listened to.
    """
    server = _Server(address, MetricsHandler.factory(registry), longest)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


def check_free(address: str) -> None:
    """Raise `OSError` where nothing can be served at HOST:PORT: it is taken, or not of this machine."""
    family, place = _place(address)
    socket.create_server(place, family=family).close()


def _place(address: str) -> tuple[socket.AddressFamily, tuple[str, int]]:
    host, _, port = address.rpartition(":")
    (family, *_), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return family, (host, int(port))


class _Server(ThreadingTCPServer):
    """A server for whom a client that is slow, or many of them, keep nobody else from being answered."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: str, handler: type[BaseRequestHandler], longest: float) -> None:
        self._longest = longest
        self._room = threading.Semaphore(MOST)
        self._lock = threading.Lock()
        self._since: dict[socket.socket, float] = {}
        self.address_family, place = _place(address)
        super().__init__(place, handler)

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """Answer in a thread, for which the oldest connection makes room if there is none."""
        if not self._room.acquire(blocking=False):
            self._leave(float("inf"), most=1)
            self._room.acquire()
        with self._lock:
            self._since[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        """End a connection, by the thread that it had."""
        with self._lock:
            del self._since[request]
        super().shutdown_request(request)
        self._room.release()

    def service_actions(self) -> None:
        """Leave those who take too long; it is called twice a second."""
        self._leave(time.monotonic() - self._longest)

    def _leave(self, before: float, most: int = MOST) -> None:
        """Have so many connections that are older end: their threads get no further, and close them."""
        with self._lock:
            for request in [it for it, since in self._since.items() if since < before][:most]:
                with contextlib.suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, _request: object, _client: object) -> None:
        """Tell in a line what the standard library writes many of, of connections that break and the like."""
        logger.debug("a request for metrics came to nothing", exc_info=True)
