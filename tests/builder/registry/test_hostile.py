"""Registries that answer slowly, endlessly or with lies: every one ends in an error, soon and in words."""

import random
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.handmade import make_image
from support.hostile import hostile_server
from yadokari_builder.errors import PushError, RegistryError
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

ClientMaker = Callable[..., RegistryClient]
ONCE = RetryPolicy(attempts=1)
HASTY = Patience(floor=10_000, window=0.3)


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
    assert time.monotonic() - started < 10


def test_a_blob_that_drips_is_given_up_and_says_why(client_with: ClientMaker) -> None:
    descriptor = Descriptor(OCI_LAYER, Digest.of(b"x" * 10_000), 10_000)
    head = OK + b"Content-Length: 10000\r\n\r\n"
    with hostile_server(dripping(head)) as host:
        stream = BlobStream(client_with(retry=ONCE, patience=HASTY), Repository(host, "app"), descriptor)
        with pytest.raises(RegistryError, match="less than 10000 bytes a second") as caught:
            stream.read(1000)
    assert caught.value.temporary


def test_a_blob_that_comes_in_slow_bursts_above_the_floor_is_read(client_with: ClientMaker) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(OK + b"Content-Length: 100000\r\n\r\n")
        for _ in range(10):
            time.sleep(0.1)
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
        for _ in range(40):
            connection.recv(4096)
            time.sleep(0.05)

    made = make_image(tmp_path, {"a": random.Random(1).randbytes(8 << 20)})
    with (
        hostile_server(answer) as host,
        Pusher(
            client_with(retry=ONCE, patience=Patience(floor=50_000_000, window=0.3)),
            [Reference.parse(f"{host}/app")],
        ) as pusher,
        pytest.raises(PushError, match="less than 50000000 bytes a second") as caught,
    ):
        pusher.add_layer(made.layers[0]).result(30)
    assert caught.value.temporary
