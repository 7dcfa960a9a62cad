"""Who asks for metrics, and what becomes of it."""

import socket
import struct
import threading
import time
import urllib.request
from contextlib import ExitStack

import pytest

from support.operator_process import wait_until
from yadokari_operator.exposition import MOST, serve
from yadokari_operator.metrics import Metrics

LONGEST = 1.0


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        found: int = free.getsockname()[1]
    serve(Metrics().registry, f"127.0.0.1:{found}", LONGEST)
    return found


def shown(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read(), "utf-8")


def test_whoever_asks_is_told(port: int) -> None:
    assert "yadokari_queue_depth 0.0" in shown(port)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text; version=x\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHos",
        b"2026-11-02 info all is well\r\n\r\n",
    ],
)
def test_nobody_who_asks_writes_into_the_log(
    port: int, request_: bytes, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG", "yadokari_operator.exposition")
    for is_reset in (False, True):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(request_)
            if is_reset:
                # Closes it by a reset, as who breaks off in the middle does.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):
                    pass
    if b"Hos" in request_:
        wait_until(lambda: "came to nothing" in caplog.text)
    assert "yadokari_queue_depth" in shown(port)
    assert capfd.readouterr() == ("", "")


def test_however_many_say_nothing_few_are_listened_to_and_who_asks_is_told(port: int) -> None:
    before = threading.active_count()
    with ExitStack() as held:
        for _ in range(10 * MOST):
            held.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert "yadokari_queue_depth" in shown(port)
        assert threading.active_count() <= before + MOST
    wait_until(lambda: threading.active_count() <= before)


def test_who_asks_without_end_is_left(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\nA: ")
        begin = time.monotonic()
        slow.settimeout(LONGEST / 10)
        while not has_ended(slow):
            assert time.monotonic() < begin + 20 * LONGEST


def has_ended(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"a")
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True
