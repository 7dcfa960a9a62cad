"""Servers that say whatever a test wants, in HTTP or not."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

from support.registry import Certificate

_HELLO = b"\x16"
"""How a handshake of TLS begins."""

Answer = Callable[[socket.socket], None]
"""Given a connection on which the head of a request has come, it says something."""


@contextlib.contextmanager
def hostile_server(answer: Answer, certificate: Certificate | None = None) -> Iterator[str]:
    """Serve on a loopback port, each connection once; gives host and port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads: list[threading.Thread] = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threads.append(
                        threading.Thread(
                            target=_serve_one, args=(connection, answer, certificate), daemon=True
                        )
                    )
                    threads[-1].start()

        acceptor = threading.Thread(target=serve, daemon=True)
        acceptor.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for thread in threads:
                thread.join(60)
                assert not thread.is_alive(), "the other side still listens to a hostile server"


def saying(data: bytes) -> Answer:
    """Say one thing and hang up."""
    return lambda connection: connection.sendall(data)


def _shaken(connection: socket.socket, certificate: Certificate | None) -> socket.socket:
    if certificate is None:
        return connection
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    return context.wrap_socket(connection, server_side=True)


def _serve_one(connection: socket.socket, answer: Answer, certificate: Certificate | None) -> None:
    with connection, contextlib.suppress(OSError):
        connection.settimeout(20)
        with _shaken(connection, certificate) as shaken:
            head = b""
            while b"\r\n\r\n" not in head:
                received = shaken.recv(4096)
                if not received:
                    return
                head += received
                if head[:1] == _HELLO:
                    return  # as servers of plain HTTP do
            answer(shaken)
