"""GET /metrics: whoever reaches it may ask, any pod of the cluster for one, and none writes into the log."""

import logging
import socket
import threading
from socketserver import BaseRequestHandler, ThreadingTCPServer

from prometheus_client import CollectorRegistry, MetricsHandler

logger = logging.getLogger(__name__)


def serve(registry: CollectorRegistry, address: str) -> None:
    """Tell at HOST:PORT from now on what a registry has, in a thread of its own. Raises `OSError`."""
    host, _, port = address.rpartition(":")
    server = _Server(host, int(port), _Handler.factory(registry))
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, host: str, port: int, handler: type[BaseRequestHandler]) -> None:
        (self.address_family, *_), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        super().__init__((host, port), handler)

    def handle_error(self, _request: object, _client: object) -> None:
        """Tell in a line what the standard library writes many of, of connections that break and the like."""
        logger.debug("a request for metrics came to nothing", exc_info=True)


class _Handler(MetricsHandler):
    timeout = 10
    """Seconds until one who sends nothing, or takes nothing, is left."""
