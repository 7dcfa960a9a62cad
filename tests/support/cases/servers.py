"""What cases talk to: an ssh agent without keys, a web site."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_NO_IDENTITIES = b"\0\0\0\5\x0c\0\0\0\0"
"""SSH_AGENT_IDENTITIES_ANSWER with none (draft-miller-ssh-agent, 4.4)."""


@contextmanager
def listening(path: Path) -> Iterator[None]:
    """Answer every request at the socket `path` with an empty list of keys."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        thread = threading.Thread(target=_serve, args=[server], daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder by HTTP; yields the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _serve(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return  # it was shut down
        with connection:
            while connection.recv(4096):
                connection.sendall(_NO_IDENTITIES)
