"""Registries that answer slowly, endlessly or with lies: every one ends in an error, soon and in words."""

import random
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.handmade import make_image
from support.hostile import hostile_server, saying
from support.registry import Certificate
from yadokari_builder.errors import ImageInvalidError, PushError, RegistryError
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.media_types import OCI_LAYER
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference, Repository
from yadokari_builder.registry.blob import BlobStream
from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.http.pace import Patience
from yadokari_builder.registry.http.retry import RetryPolicy
from yadokari_builder.registry.pull import Puller
from yadokari_builder.registry.push import Pusher

pytestmark = pytest.mark.long

ClientMaker = Callable[..., RegistryClient]
ONCE = RetryPolicy(attempts=1)
HASTY = Patience(floor=1000, window=0.1)
LONGEST = 60
"""Seconds in which a busy machine, too, has given up what would go on for longer."""


def pull(client: RegistryClient, host: str) -> None:
    Puller(client).resolve(Reference.parse(f"{host}/app"), Platform("linux", "amd64"))


def dripping(head: bytes, body: bytes = b"x" * 10_000) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(head)
        for place in range(len(body)):
            connection.sendall(body[place : place + 1])
            time.sleep(0.01)

    return answer


def endless(head: bytes, part: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(part)

    return answer


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\n"


@pytest.mark.parametrize(
    "head",
    [
        OK + b"Content-Length: 10000\r\n\r\n",
        OK + b"\r\n",
        OK,
        b"H",
        b"HTTP/1.1 500 x\r\nContent-Length: 10000\r\n\r\n",
        b"HTTP/1.1 401 x\r\nWWW-Authenticate: Basic\r\nContent-Length: 10000\r\n\r\n",
        b"HTTP/1.1 307 x\r\nLocation: /there\r\nContent-Length: 10000\r\n\r\n",
    ],
    ids=["body", "body without length", "header", "status line", "error", "challenge", "redirect"],
)
def test_an_answer_that_drips_is_given_up(client_with: ClientMaker, head: bytes) -> None:
    started = time.monotonic()
    with (
        hostile_server(dripping(head)) as host,
        pytest.raises(RegistryError, match=rf"{host}/app: cannot pull manifest latest") as caught,
    ):
        pull(client_with(retry=ONCE, patience=HASTY), host)
    assert caught.value.temporary == (b" 401 " not in head and b" 307 " not in head)
    assert time.monotonic() - started < LONGEST


def test_a_blob_that_drips_is_given_up_and_says_why(client_with: ClientMaker) -> None:
    descriptor = Descriptor(OCI_LAYER, Digest.of(b"x" * 10_000), 10_000)
    head = OK + b"Content-Length: 10000\r\n\r\n"
    with hostile_server(dripping(head)) as host:
        stream = BlobStream(client_with(retry=ONCE, patience=HASTY), Repository(host, "app"), descriptor)
        with pytest.raises(RegistryError, match="less than 1000 bytes a second") as caught:
            stream.read(1000)
    assert caught.value.temporary


def test_a_blob_that_comes_in_slow_bursts_above_the_floor_is_read(client_with: ClientMaker) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(OK + b"Content-Length: 100000\r\n\r\n")
        for _ in range(10):
            time.sleep(0.04)
            connection.sendall(b"x" * 10_000)

    descriptor = Descriptor(OCI_LAYER, Digest.of(b"x" * 100_000), 100_000)
    with hostile_server(answer) as host:
        stream = BlobStream(client_with(retry=ONCE, patience=HASTY), Repository(host, "app"), descriptor)
        assert stream.readall() == b"x" * 100_000


def test_a_registry_that_takes_an_upload_in_drips_is_given_up(
    client_with: ClientMaker, tmp_path: Path
) -> None:
    def answer(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n")
        head = connection.recv(4096)
        assert head.startswith(b"POST")
        connection.sendall(b"HTTP/1.1 202 x\r\nContent-Length: 0\r\nLocation: /upload\r\n\r\n")
        while not given_up.is_set() and connection.recv(65536):
            time.sleep(0.01)

    given_up = threading.Event()
    made = make_image(tmp_path, {"a": random.Random(1).randbytes(8 << 20)})
    hasty = Patience(floor=50_000_000, window=0.1)
    with (
        hostile_server(answer) as host,
        Pusher(client_with(retry=ONCE, patience=hasty), [Reference.parse(f"{host}/app")]) as pusher,
    ):
        with pytest.raises(PushError, match="less than 50000000 bytes a second") as caught:
            pusher.add_layer(made.layers[0]).result()
        given_up.set()
    assert caught.value.temporary


def saying_json(body: bytes) -> Callable[[socket.socket], None]:
    return saying(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)


ENDLESS = {
    "json": endless(OK + b"\r\n", b"[" * 65536),
    "interim answers": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "headers": endless(OK, b"X: y\r\n" * 1000),
    "header line": endless(OK + b"X: ", b"y" * 65536),
    "status line": endless(b"HTTP/1.1 ", b"2" * 65536),
    "trailers": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 1000),
    "chunk's size": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n5;", b"a" * 65536),
    "error": endless(b"HTTP/1.1 503 x\r\n\r\n", b"x" * 65536),
    "challenge": endless(b"HTTP/1.1 401 x\r\nWWW-Authenticate: Basic\r\n\r\n", b"x" * 65536),
    "redirect": endless(b"HTTP/1.1 302 x\r\nLocation: /v2/x\r\n\r\n", b"x" * 65536),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_what_does_not_end_is_given_up(client_with: ClientMaker, what: str) -> None:
    started = time.monotonic()
    with (
        hostile_server(ENDLESS[what]) as host,
        pytest.raises(RegistryError, match=f"{host}/app: cannot pull"),
    ):
        pull(client_with(retry=ONCE), host)
    assert time.monotonic() - started < LONGEST


BROKEN = {
    "ends early": saying(OK + b"Content-Length: 100\r\n\r\n{}"),
    "ends early at a length of 4000 digits": saying(OK + b"Content-Length: " + b"9" * 4000 + b"\r\n\r\n{}"),
    "two lengths": saying(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"),
    "a chunk of nonsense": saying(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "a huge chunk": saying(OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 60000 + b"\r\nxx"),
    "a negative chunk": saying(OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nxxxxx\r\n0\r\n\r\n"),
    "no HTTP": saying(b"\x1b[31mhello"),
    "a status of five digits": saying(b"HTTP/1.1 99999 x\r\n\r\n"),
    "another HTTP": saying(b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "nothing": saying(b""),
}


@pytest.mark.parametrize("what", BROKEN)
def test_an_answer_that_breaks_the_protocol_can_be_tried_again(client_with: ClientMaker, what: str) -> None:
    with hostile_server(BROKEN[what]) as host, pytest.raises(RegistryError, match=f"{host}/app") as caught:
        pull(client_with(retry=ONCE), host)
    assert caught.value.temporary
    assert str(caught.value).isprintable()


def test_what_is_no_http_is_said_to_be_none(client_with: ClientMaker) -> None:
    with (
        hostile_server(saying(b"SSH-2.0-OpenSSH_9\r\n")) as host,
        pytest.raises(RegistryError, match=r"it does not answer in HTTP: SSH-2\.0-OpenSSH_9"),
    ):
        pull(client_with(retry=ONCE), host)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"schemaVersion":' + b"9" * 5000 + b"}",
        b'{"schemaVersion":1' + b"0" * 400 + b"}",
        b'{"config":{"size":NaN}}',
        b"\xff\xfe",
        b"",
        b"null",
    ],
)
def test_a_manifest_that_is_none_is_an_invalid_image(client_with: ClientMaker, body: bytes) -> None:
    with hostile_server(saying_json(body)) as host, pytest.raises(ImageInvalidError, match=f"{host}/app"):
        pull(client_with(retry=ONCE), host)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 60_000,
        b'{"errors":[' + b'{"code":"A","message":"\\ud800\\u001b[2J"},' * 1000 + b'{"code":"B"}]}',
        b'{"errors":[{"code":{"a":1},"message":["x"]}]}',
        b'{"errors":{"code":1}}',
        b'{"errors":[1,2]}',
        b'{"errors":"abc"}',
        b"\x1b[31m" * 10_000,
    ],
)
def test_an_error_of_any_shape_is_shown_in_one_bounded_line(client_with: ClientMaker, body: bytes) -> None:
    answer = saying(b"HTTP/1.1 400 x\r\n\r\n" + body)
    with hostile_server(answer) as host, pytest.raises(RegistryError, match="400 Bad Request") as caught:
        pull(client_with(retry=ONCE), host)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    "location",
    [
        b"http://127.0.0.1:99999/",
        b"http://127.0.0.1\0:1/",
        "http://b\u00fccher.test/".encode(),
        b"http://" + b"a" * 70 + b".test/",
        b"http://../x",
        b"http://user:pw@/x",
        b"\x1b[31m://x",
        b"http://127.0.0.1:1/\x1b[31m",
    ],
)
def test_a_redirect_to_nowhere_is_an_error_in_words(client_with: ClientMaker, location: bytes) -> None:
    answer = saying(b"HTTP/1.1 302 x\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n")
    with hostile_server(answer) as host, pytest.raises(RegistryError, match=f"{host}/app") as caught:
        pull(client_with(retry=ONCE), host)
    assert str(caught.value).isprintable()
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("value", ["9" * 5000, "Fri, 31 Dec 2999 23:59:59 GMT", "3600"])
def test_a_wait_without_end_is_not_waited(client_with: ClientMaker, value: str) -> None:
    started = time.monotonic()
    head = f"HTTP/1.1 429 x\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n"
    with hostile_server(saying(head.encode())) as host, pytest.raises(RegistryError, match="429") as caught:
        pull(client_with(), host)
    assert caught.value.temporary
    assert time.monotonic() - started < LONGEST


@pytest.mark.parametrize(
    "body",
    [
        b'{"token":"t","expires_in":1' + b"0" * 400 + b"}",
        b'{"token":"t","expires_in":Infinity}',
        b'{"token":"t","expires_in":NaN}',
        b'{"token":"t","expires_in":-1}',
        b'{"token":"t","expires_in":"60"}',
        b'{"token":"t\\r\\nX: y"}',
        b'{"token":7}',
        b"[" * 100_000,
        b"null",
    ],
)
def test_a_token_of_any_shape_is_taken_or_refused_in_words(client_with: ClientMaker, body: bytes) -> None:
    with hostile_server(saying_json(body)) as realm:
        challenge = f'HTTP/1.1 401 x\r\nWWW-Authenticate: Bearer realm="http://{realm}/"\r\n\r\n'
        with hostile_server(saying(challenge.encode())) as host, pytest.raises(RegistryError, match=host):
            pull(client_with(retry=ONCE), host)


@pytest.mark.parametrize(
    "challenge", ["a " * 30_000, "a" + ",=\\" * 20_000, "Bearer " + 'a="' + "\\\\" * 15_000, "," * 60_000]
)
def test_a_challenge_of_any_shape_is_read_at_once(client_with: ClientMaker, challenge: str) -> None:
    started = time.process_time()
    head = f"HTTP/1.1 401 x\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n"
    with hostile_server(saying(head.encode())) as host, pytest.raises(RegistryError, match=host):
        pull(client_with(retry=ONCE), host)
    assert time.process_time() - started < 1


def test_an_upload_that_leads_from_tls_to_plain_http_is_not_sent(
    client_with: ClientMaker, certificate: Certificate, tmp_path: Path
) -> None:
    seen = []

    def storage(connection: socket.socket) -> None:
        seen.append(connection)

    with hostile_server(storage) as elsewhere:

        def answer(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n")
            connection.recv(4096)
            location = f"http://{elsewhere}/upload".encode()
            connection.sendall(b"HTTP/1.1 202 x\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n")

        with (
            hostile_server(answer, certificate) as host,
            Pusher(
                client_with(ca_file=certificate.authority, retry=ONCE), [Reference.parse(f"{host}/app")]
            ) as pusher,
            pytest.raises(PushError, match=f"leads to http://{elsewhere}, which gives up TLS"),
        ):
            pusher.add_layer(make_image(tmp_path, {"a": b"1"}).layers[0]).result()
    assert not seen
