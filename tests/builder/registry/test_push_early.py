"""Layers, pushed while they are made."""

import logging
import os
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.handmade import LocalImage, make_image
from support.registry import Registry, running_registry
from yadokari_builder.layers.growing import GrowingFile
from yadokari_builder.layers.nameless import NamelessFile
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.pull import Puller
from yadokari_builder.registry.push import Pusher


@pytest.fixture
def made(tmp_path: Path) -> LocalImage:
    return make_image(tmp_path, {"random": os.urandom(3_000_000)})


def pulled(client: RegistryClient, reference: Reference) -> bytes:
    layer = Puller(client).resolve(reference, Platform("linux", "amd64")).layers[0]
    with layer.open() as blob:
        return blob.read()


def write_slowly(made: LocalImage, file: NamelessFile, growing: GrowingFile) -> None:
    data = Path(made.layers[0].path).read_bytes()
    for start in range(0, len(data), 700_000):
        file.append(data[start : start + 700_000])
        growing.grow(start + len(data[start : start + 700_000]))
    growing.end(made.layers[0].layer.descriptor)


def test_a_layer_goes_up_while_it_is_made(
    registry: Registry,
    client: RegistryClient,
    made: LocalImage,
    tmp_path: Path,
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = NamelessFile(tmp_path)
    growing = GrowingFile(file)
    destination = Reference.parse(f"{registry.host}/{name}")
    with caplog.at_level(logging.DEBUG), Pusher(client, [destination]) as pusher:
        pusher.begin_layer(growing)
        write_slowly(made, file, growing)
        pusher.add_layer(made.layers[0])
        pusher.finish(made.image)
    assert "is already in" in caplog.text
    assert pulled(client, destination) == Path(made.layers[0].path).read_bytes()


# The other registry takes one upload after the other.
@pytest.mark.parametrize("registry", [running_registry], ids=["docker"], indirect=True)
def test_a_layer_that_is_added_meanwhile_does_not_wait_and_neither_goes_up_twice(
    registry: Registry,
    client: RegistryClient,
    tmp_path: Path,
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = make_image(tmp_path, {"random": os.urandom(3_000_000)}, {"other": b"x"})
    first, other = made.layers
    file = NamelessFile(tmp_path)
    growing = GrowingFile(file)
    destination = Reference.parse(f"{registry.host}/{name}")
    with caplog.at_level(logging.DEBUG), Pusher(client, [destination]) as pusher, ExitStack() as stack:
        stack.callback(growing.give_up)
        pusher.begin_layer(growing)
        pusher.add_layer(other).result(30)
        write_slowly(made, file, growing)
        pusher.add_layer(first).result(30)
    assert f"layer {other.layer.descriptor.digest} was uploaded to" in caplog.text
    assert f"layer {first.layer.descriptor.digest} is already in" in caplog.text


def test_a_layer_that_could_not_go_up_early_goes_up_when_it_is_made(
    registry: Registry, client: RegistryClient, made: LocalImage, tmp_path: Path, name: str
) -> None:
    destination = Reference.parse(f"{registry.host}/{name}")
    growing = GrowingFile(NamelessFile(tmp_path))
    with Pusher(client, [destination]) as pusher:
        pusher.begin_layer(growing)
        growing.end(made.layers[0].layer.descriptor)
        pusher.add_layer(made.layers[0])
        pusher.finish(made.image)
    assert pulled(client, destination) == Path(made.layers[0].path).read_bytes()


def test_a_layer_that_is_given_up_does_not_keep_the_push_waiting(
    registry: Registry, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    file = NamelessFile(tmp_path)
    file.append(b"begun")
    growing = GrowingFile(file)
    growing.grow(5)
    with Pusher(client, [Reference.parse(f"{registry.host}/{name}")]) as pusher:
        pusher.begin_layer(growing)
        threading.Timer(0.05, growing.give_up).start()
