"""Pull and push over a bad network: right to the byte, or an error in words within its time."""

import math
import os
import random
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.clients import PLAIN, plain_client
from support.faults import running_faults
from support.handmade import LocalImage, make_image
from support.registry import Registry
from yadokari_builder.errors import BuilderError, ImageNotFoundError
from yadokari_builder.layers.growing import GrowingFile
from yadokari_builder.layers.nameless import NamelessFile
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.http.connections import Network
from yadokari_builder.registry.http.reach import Reach, Transports
from yadokari_builder.registry.http.retry import RetryPolicy
from yadokari_builder.registry.http.tls import Trust
from yadokari_builder.registry.pull import Puller
from yadokari_builder.registry.push import Pusher

pytestmark = pytest.mark.long

AMD64 = Platform("linux", "amd64")
TRIALS = int(os.environ.get("FAULT_TRIALS", "48"))
"""How many pulls, and how many pushes, there are in all; CONTRIBUTING.md names the variable."""
KINDS_OF_REGISTRY = 2
SERIES = 4
TIMES = math.ceil(TRIALS / (SERIES * KINDS_OF_REGISTRY))
LONGEST = 60
FLEET = RetryPolicy(attempts=5, first_delay=0.002, max_delay=1)


@contextmanager
def fleet_client() -> Iterator[RegistryClient]:
    """Make a client that does not wait long."""
    transports = Transports(Network(Trust("")), read_timeout=1)
    try:
        yield RegistryClient(Reach(transports, PLAIN), retry=FLEET)
    finally:
        transports.close()


def make(folder: Path, seed: int) -> LocalImage:
    """Make an image whose layers no other one has: a registry that has them already is sent none."""
    noise = random.Random(seed)
    layers = [
        {"small": b"%d" % seed},
        {"large": noise.randbytes(300_000)},
        {"other": noise.randbytes(50_000)},
    ]
    return make_image(folder / str(seed), *layers)


def push(client: RegistryClient, made: LocalImage, reference: str, early: Path | None = None) -> None:
    """Push an image; with a folder to make it in, its largest layer already while it is made."""
    with Pusher(client, [Reference.parse(reference)]) as pusher:
        pusher.check()
        if early:
            file = NamelessFile(early)
            growing = GrowingFile(file)
            pusher.begin_layer(growing)
            data = Path(made.layers[1].path).read_bytes()
            for start in range(0, len(data), 100_000):
                file.append(data[start : start + 100_000])
                growing.grow(min(start + 100_000, len(data)))
            growing.end(made.layers[1].layer.descriptor)
        for layer in made.layers:
            pusher.add_layer(layer)
        assert pusher.finish(made.image) == made.image.manifest_digest


def pull(client: RegistryClient, reference: str) -> tuple[object, list[bytes]]:
    """Return an image and its layers' bytes."""
    pulled = Puller(client).resolve(Reference.parse(reference), AMD64)
    blobs = []
    for layer in pulled.layers:
        with layer.open() as blob:
            blobs.append(blob.read())
    return pulled.image, blobs


def contents(made: LocalImage) -> tuple[object, list[bytes]]:
    return made.image, [Path(layer.path).read_bytes() for layer in made.layers]


def seeds(name: str, series: int) -> range:
    """Return numbers of trials; those for one kind of registry are not those for the other."""
    first = zlib.crc32(name.encode()) + series * TIMES
    return range(first, first + TIMES)


def check_words(error: BuilderError, host: str) -> None:
    """An error says where it happened, in characters that can be shown."""
    assert host in str(error)
    assert str(error).isprintable()


@pytest.mark.parametrize("series", range(SERIES))
def test_what_is_pulled_over_a_bad_network_is_right_or_an_error(
    registry: Registry, tmp_path: Path, name: str, series: int
) -> None:
    made = make(tmp_path, series)
    with plain_client() as direct:
        push(direct, made, f"{registry.host}/{name}")
    right = 0
    for seed in seeds(name, series):
        started = time.monotonic()
        with running_faults(registry.host, seed) as faults, fleet_client() as client:
            try:
                assert pull(client, f"{faults.host}/{name}") == contents(made), (seed, faults.seen)
                right += 1
            except BuilderError as error:
                check_words(error, faults.host)
        assert time.monotonic() - started < LONGEST, (seed, faults.seen)
    assert right > TIMES / 2, "trying again helps"


@pytest.mark.parametrize("series", range(SERIES))
def test_what_is_pushed_over_a_bad_network_is_there_as_a_whole_or_not_at_all(
    registry: Registry, tmp_path: Path, name: str, series: int
) -> None:
    right = 0
    for seed in seeds(name, series):
        started = time.monotonic()
        where = f"{name}/{seed}"
        made = make(tmp_path, seed)
        early = tmp_path if seed % 2 else None
        with running_faults(registry.host, seed) as faults, fleet_client() as client:
            try:
                push(client, made, f"{faults.host}/{where}", early)
                is_told = True
                right += 1
            except BuilderError as error:
                is_told = False
                check_words(error, faults.host)
        assert time.monotonic() - started < LONGEST, (seed, faults.seen)
        with plain_client() as direct:
            try:
                assert pull(direct, f"{registry.host}/{where}") == contents(made), (seed, faults.seen)
            except ImageNotFoundError:
                assert not is_told, (seed, faults.seen)
    assert right > TIMES / 2, "trying again helps"
