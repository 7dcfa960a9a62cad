"""Pull and push over a bad network: right to the byte, or an error in words within its time."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.clients import PLAIN, plain_client
from support.faults import running_faults
from support.handmade import LocalImage, make_image
from support.registry import Registry
from yadokari_builder.errors import BuilderError, ImageNotFoundError
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
TIMES = 13
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


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> LocalImage:
    noise = random.Random(0)
    layers = [{"small": b"1"}, {"large": noise.randbytes(300_000)}, {"other": noise.randbytes(50_000)}]
    return make_image(tmp_path_factory.mktemp("image"), *layers)


def push(client: RegistryClient, made: LocalImage, reference: str) -> None:
    with Pusher(client, [Reference.parse(reference)]) as pusher:
        pusher.check()
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


def check_words(error: BuilderError, host: str) -> None:
    """An error says where it happened, in characters that can be shown."""
    assert host in str(error)
    assert str(error).isprintable()


@pytest.mark.parametrize("series", range(4))
def test_what_is_pulled_over_a_bad_network_is_right_or_an_error(
    registry: Registry, made: LocalImage, name: str, series: int
) -> None:
    with plain_client() as direct:
        push(direct, made, f"{registry.host}/{name}")
    right = 0
    for seed in range(series * TIMES, (series + 1) * TIMES):
        started = time.monotonic()
        with running_faults(registry.host, seed) as faults, fleet_client() as client:
            try:
                assert pull(client, f"{faults.host}/{name}") == contents(made), (seed, faults.seen)
                right += 1
            except BuilderError as error:
                check_words(error, faults.host)
        assert time.monotonic() - started < LONGEST, (seed, faults.seen)
    assert right > TIMES / 2, "trying again helps"


@pytest.mark.parametrize("series", range(4))
def test_what_is_pushed_over_a_bad_network_is_there_as_a_whole_or_not_at_all(
    registry: Registry, made: LocalImage, name: str, series: int
) -> None:
    right = 0
    for seed in range(series * TIMES, (series + 1) * TIMES):
        started = time.monotonic()
        where = f"{name}/{seed}"
        with running_faults(registry.host, 1000 + seed) as faults, fleet_client() as client:
            try:
                push(client, made, f"{faults.host}/{where}")
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
