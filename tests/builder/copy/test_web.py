import base64
import gzip
import hashlib
import io
import logging
import os
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest

from support.hostile import hostile_server, saying
from yadokari_builder.errors import ContextError, DownloadError
from yadokari_builder.registry.http.connections import Network
from yadokari_builder.registry.http.pace import Patience
from yadokari_builder.registry.http.tls import Trust
from yadokari_builder.sources.web import file_name

MODIFIED = "Thu, 01 Jan 2015 00:00:00 GMT"


def _archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("inside")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"I"))
    return buffer.getvalue()


class Handler(BaseHTTPRequestHandler):
    answers: ClassVar[dict[str, tuple[int, dict[str, str], bytes]]] = {
        "/file.txt": (200, {"Last-Modified": MODIFIED}, b"content"),
        "/plain": (200, {}, b"plain"),
        "/moved": (302, {"Location": "/plain"}, b""),
        "/a.tar": (200, {}, _archive()),
        "/a.gz": (200, {}, gzip.compress(b"kept")),
        "/encoded": (200, {"Content-Encoding": "gzip"}, gzip.compress(b"taken off")),
        "/busy": (503, {}, b""),
        "/again": (302, {"Location": "/again"}, b""),
        "/to-brackets": (302, {"Location": "http://["}, b""),
        "/to-file": (302, {"Location": "file:///etc/passwd"}, b""),
        "/to-port": (302, {"Location": "http://127.0.0.1:99999/"}, b""),
    }

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        status, headers, body = self.answers.get(path, (404, {}, b"no"))
        if path == "/to-secret":
            status, headers = (
                302,
                {"Location": f"http://localhost:{self.headers['Host'].rpartition(':')[2]}/secret"},
            )
        if path == "/secret" and self.headers["Authorization"] == self._expected():
            status, body = 200, b"secret"
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _expected(self) -> str:
        return "Basic " + base64.b64encode(b"me:p@ss").decode()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.05,))
        thread.start()
        yield f"127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def test_a_download_is_private_and_as_old_as_the_server_says(workshop: Any, server: str) -> None:
    workshop.do(f"ADD http://{server}/file.txt /x/")
    assert workshop.tree() == {"x": None, "x/file.txt": "content"}
    assert workshop.mode("x/file.txt") == 0o600
    assert os.stat(workshop.root / "x/file.txt").st_mtime == 1420070400


def test_a_download_without_a_date_is_from_the_epoch(workshop: Any, server: str) -> None:
    workshop.do(f"ADD --chmod=644 --chown=3:4 http://{server}/moved?q=1 /y")
    assert workshop.tree() == {"y": "plain"}
    assert workshop.mode("y") == 0o644
    assert workshop.owner("y") == (3, 4)
    assert os.stat(workshop.root / "y").st_mtime == 0


def test_a_download_is_unpacked_only_on_demand(workshop: Any, server: str) -> None:
    workshop.do(f"ADD http://{server}/a.tar /x/")
    workshop.do(f"ADD --unpack=true http://{server}/a.tar /y/")
    assert os.listdir(workshop.root / "x") == ["a.tar"]
    assert os.listdir(workshop.root / "y") == ["inside"]


def test_only_the_transfer_s_compression_is_taken_off(workshop: Any, server: str) -> None:
    workshop.do(f"ADD http://{server}/a.gz http://{server}/encoded /x/")
    assert workshop.root.joinpath("x/a.gz").read_bytes()[:3] == b"\x1f\x8b\x08"
    assert workshop.root.joinpath("x/encoded").read_bytes() == b"taken off"


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_a_checksum_must_fit(workshop: Any, server: str, algorithm: str) -> None:
    good = hashlib.new(algorithm, b"plain").hexdigest()
    workshop.do(f"ADD --checksum={algorithm}:{good} http://{server}/plain /x")
    bad = hashlib.new(algorithm, b"other").hexdigest()
    with pytest.raises(ContextError, match=f"digest mismatch for http://{server}/plain"):
        workshop.do(f"ADD --checksum={algorithm}:{bad} http://{server}/plain /y")


def test_credentials_of_a_url_are_sent_and_never_shown(
    workshop: Any, server: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "yadokari_builder")
    workshop.do(f"ADD http://me:p%40ss@{server}/secret /x")
    assert workshop.tree() == {"x": "secret"}
    with pytest.raises(ContextError, match="invalid response status 404") as caught:
        workshop.do(f"ADD http://me:hunter2@{server}/gone?token=hunter3 /y")
    assert "hunter" not in str(caught.value) + caplog.text
    warning = f"http://{server}/gone gets credentials over plain HTTP: anybody on the way can read them"
    assert warning in caplog.text


def test_a_server_in_trouble_can_be_tried_again(workshop: Any, server: str) -> None:
    with pytest.raises(DownloadError, match="invalid response status 503"):
        workshop.do(f"ADD http://{server}/busy /x")


def test_no_answer_can_be_tried_again(workshop: Any) -> None:
    with pytest.raises(DownloadError, match=r"http://127\.0\.0\.1:1/x cannot be fetched"):
        workshop.do("ADD http://user:hunter2@127.0.0.1:1/x /x")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://h/a/b.txt?x=/y#z", "b.txt"),
        ("http://h/a/b/", "b"),
        ("http://h/a%20b", "a b"),
        ("http://h/", "__unnamed__"),
        ("http://h", "__unnamed__"),
    ],
)
def test_a_download_is_named_by_the_path_of_its_url(url: str, name: str) -> None:
    assert file_name(url) == name


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://SERVER/to-brackets", "or leads to none"),
        ("http://SERVER/to-file", "or leads to none"),
        ("http://SERVER/to-port", "or leads to none"),
    ],
)
def test_a_url_that_leads_to_none_is_an_error_in_words(
    workshop: Any, server: str, url: str, why: str
) -> None:
    with pytest.raises(ContextError, match=why):
        workshop.do(f"ADD {url.replace('SERVER', server)} /x/")


def test_redirects_without_end_are_given_up(workshop: Any, server: str) -> None:
    with pytest.raises(ContextError, match="redirects more than 10 times"):
        workshop.do(f"ADD http://{server}/again /x")


def test_a_password_does_not_follow_a_redirect_to_another_host(workshop: Any, server: str) -> None:
    with pytest.raises(ContextError, match="invalid response status 404"):
        workshop.do(f"ADD http://me:p%40ss@{server}/to-secret /x")


def test_what_comes_with_a_redirect_is_not_read(workshop: Any, server: str) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 302 x\r\nLocation: http://{server}/plain\r\n\r\n".encode())
        while True:
            connection.sendall(bytes(65536))

    with hostile_server(answer) as host:
        workshop.do(f"ADD http://{host}/x /x")
    assert workshop.tree() == {"x": "plain"}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "IncompleteRead"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "IncompleteRead"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxyz", "incorrect header"),
        (b"nonsense\r\n\r\n", "cannot be fetched"),
    ],
)
def test_a_server_that_breaks_the_protocol_can_be_tried_again(workshop: Any, answer: bytes, why: str) -> None:
    with hostile_server(saying(answer)) as host, pytest.raises(DownloadError, match=why):
        workshop.do(f"ADD http://{host}/x?token=hunter2 /x")


def test_lines_between_chunks_that_do_not_end_are_given_up(workshop: Any) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;")
        while True:
            connection.sendall(b"x" * 65536)

    with hostile_server(answer) as host, pytest.raises(DownloadError, match="chunk size"):
        workshop.do(f"ADD http://{host}/x /x")


def test_a_download_that_drips_is_given_up(workshop: Any) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            connection.sendall(b"x")
            time.sleep(0.01)

    hasty = Network(Trust(""), patience=Patience(floor=1000, window=0.3)).pools()
    with (
        hostile_server(answer) as host,
        pytest.raises(DownloadError, match="less than 1000 bytes a second") as caught,
    ):
        workshop.with_(http=hasty).do(f"ADD http://{host}/x?token=hunter2 /x")
    assert "hunter" not in str(caught.value)
