"""Who asks for metrics, and what becomes of it."""

import socket
import struct
import urllib.request

import pytest

from support.operator_process import wait_until
from yadokari_operator.exposition import serve
from yadokari_operator.metrics import Metrics


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        found: int = free.getsockname()[1]
    serve(Metrics().registry, f"127.0.0.1:{found}")
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
