"""An API server, or a proxy before it, that answers byte by byte holds nobody up for ever."""

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from kubernetes import client

from yadokari_operator.cluster.api import Api, ClusterError

PATIENCE = 0.3
LONG_PATIENCE = 20.0
BETWEEN = 0.1
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def dripping(at_once: bytes, drop: bytes, drops: int = 10_000) -> Iterator[Api]:
    """Serve answers of which the end comes drop by drop, each before patience is over."""

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(1 << 16)
            connection.sendall(at_once)
            for _ in itertools.repeat(None, drops):
                time.sleep(BETWEEN)
                connection.sendall(drop)

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        settings = client.Configuration()
        settings.host = f"http://127.0.0.1:{server.getsockname()[1]}"
        yield Api.of(settings)
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("at_once", "drop"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (HEAD, b"A: b\r\n"),
        (HEAD + b"A: ", b"b"),
        (HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1000;a=", b"b"),
        (HEAD + b"\r\n", b" "),
    ],
)
def test_an_answer_that_never_ends_is_given_up(at_once: bytes, drop: bytes) -> None:
    with dripping(at_once, drop) as api:
        begin = time.monotonic()
        with pytest.raises(ClusterError) as error:
            api.request("GET", "/version", patience=PATIENCE)
        assert time.monotonic() - begin < 200 * PATIENCE
        assert error.value.status == 0


def test_an_answer_that_is_slow_is_read() -> None:
    with dripping(HEAD + b"Content-Length: 4\r\n\r\n12", b"3", 2) as api:
        assert api.request("GET", "/version", patience=LONG_PATIENCE) == 1233


@pytest.mark.long
def test_a_stream_lasts_for_as_long_as_it_is_not_silent() -> None:
    seen: list[object] = []
    with dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"2\r\n1\n\r\n") as api:
        begin = time.monotonic()
        with api.stream("/watch", query={}, accept="application/json", silence=LONG_PATIENCE) as steps:
            seen += itertools.takewhile(lambda _: time.monotonic() < begin + 2.5 * LONG_PATIENCE, steps)
    assert set(seen) == {1}
