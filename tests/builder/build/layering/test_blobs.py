"""Layers that several readers want."""

import io
import os
import resource
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from support.clients import plain_client
from support.gate import running_gate
from support.handmade import make_image, push
from support.registry import Registry
from support.watching import come_true, files_in
from yadokari_builder.build.layering.blobs import Blobs, SharedLayer
from yadokari_builder.build.layering.download import downloading
from yadokari_builder.errors import ImageInvalidError, RegistryError
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.pull import Puller

DATA = os.urandom(3_000_000)


@dataclass
class Source:
    """A layer of a registry that sends its second half when it is let to, or fails there."""

    error: Exception | None = None
    may_end: threading.Event = field(default_factory=threading.Event)
    opened: list[BinaryIO] = field(default_factory=list)
    repository: None = None

    @property
    def layer(self) -> Layer:
        digest = Digest.of(DATA)
        return Layer(Descriptor("application/x", digest, len(DATA)), digest)

    def open(self) -> BinaryIO:
        blob = cast(BinaryIO, Halting(self))
        self.opened.append(blob)
        return blob


class Halting(io.BytesIO):
    def __init__(self, source: Source) -> None:
        super().__init__(DATA)
        self._source = source

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= len(DATA) // 2:
            assert self._source.may_end.wait(30)
            if self._source.error:
                raise self._source.error
        return super().read(min(size or 0, 500_000))


@pytest.fixture
def source() -> Source:
    """A layer that comes at once."""
    source = Source()
    source.may_end.set()
    return source


@pytest.fixture
def slow() -> Iterator[Source]:
    source = Source()
    yield source
    source.may_end.set()


def whole(blob: BinaryIO) -> bytes:
    with blob:
        return b"".join(iter(lambda: blob.read(70_000), b""))


def shared(source: Source, folder: Path, *, readers: int) -> SharedLayer:
    layer = SharedLayer(source, folder)
    for _ in range(readers):
        layer.expect()
    return layer


def test_one_download_serves_several_readers_at_once(source: Source, tmp_path: Path) -> None:
    layer = shared(source, tmp_path, readers=5)
    with ThreadPoolExecutor(5) as pool:
        found = list(pool.map(lambda _: whole(layer.open()), range(5)))
    assert found == [DATA] * 5
    assert len(source.opened) == 1


def test_a_reader_who_comes_late_has_all_of_it_too(source: Source, tmp_path: Path) -> None:
    layer = shared(source, tmp_path, readers=2)
    first = layer.open()
    assert whole(first) == DATA
    assert whole(layer.open()) == DATA
    assert len(source.opened) == 1


def test_readers_are_on_the_heels_of_the_download(slow: Source, tmp_path: Path) -> None:
    layer = shared(slow, tmp_path, readers=2)
    with layer.open() as blob:
        assert blob.read(1000) == DATA[:1000]
        slow.may_end.set()
        assert whole(blob) == DATA[1000:]


def test_who_reads_alone_reads_what_comes_from_the_registry(source: Source, tmp_path: Path) -> None:
    layer = shared(source, tmp_path, readers=1)
    with layer.open() as blob:
        assert [blob] == source.opened
        assert files_in(tmp_path) == 0


def test_who_is_left_alone_because_another_does_not_come_reads_what_comes_from_the_registry(
    source: Source, tmp_path: Path
) -> None:
    layer = shared(source, tmp_path, readers=2)
    layer.forgo()
    assert [layer.open()] == source.opened


def test_forgoing_leaves_what_others_read_as_it_is(slow: Source, tmp_path: Path) -> None:
    layer = shared(slow, tmp_path, readers=2)
    blob = layer.open()
    layer.forgo()
    slow.may_end.set()
    assert whole(blob) == DATA


def test_a_sole_reader_learns_that_without_waiting_for_the_registry(tmp_path: Path) -> None:
    source = Source()
    assert shared(source, tmp_path, readers=1).join() is None
    assert not source.opened


def test_who_holds_a_download_can_read_it_again_when_all_others_are_gone(
    source: Source, tmp_path: Path
) -> None:
    layer = shared(source, tmp_path, readers=2)
    held = layer.join()
    assert held
    assert whole(layer.open()) == DATA
    for _ in range(2):
        assert whole(held.open()) == DATA
    assert len(source.opened) == 1


def test_who_comes_after_all_that_were_announced_reads_anew(source: Source, tmp_path: Path) -> None:
    layer = shared(source, tmp_path, readers=2)
    for _ in range(2):
        whole(layer.open())
    assert whole(layer.open()) == DATA
    assert len(source.opened) == 2


def test_who_was_not_announced_shares_what_is_kept_and_takes_nobodys_place(
    source: Source, tmp_path: Path
) -> None:
    layer = shared(source, tmp_path, readers=2)
    assert whole(layer.open()) == DATA
    for _ in range(3):
        assert whole(layer.open_unannounced()) == DATA
    assert whole(layer.open()) == DATA
    assert len(source.opened) == 1
    assert whole(layer.open_unannounced()) == DATA
    assert len(source.opened) == 2


@pytest.mark.parametrize("error", [RegistryError("it broke"), ImageInvalidError("its content is another")])
def test_an_error_of_the_download_reaches_every_reader(error: Exception, tmp_path: Path) -> None:
    source = Source(error)
    layer = shared(source, tmp_path, readers=3)
    early = [layer.open() for _ in range(2)]
    assert all(blob.read(1000) for blob in early)
    source.may_end.set()
    for blob in (*early, layer.open()):
        with pytest.raises(type(error), match=str(error)):
            whole(blob)
    assert len(source.opened) == 1


def test_a_download_that_cannot_begin_fails_its_readers_and_not_who_opens_it(tmp_path: Path) -> None:
    class Missing(Source):
        def open(self) -> BinaryIO:
            raise RegistryError("there is no such blob")

    layer = shared(Missing(), tmp_path, readers=2)
    for blob in [layer.open(), layer.open()]:
        with pytest.raises(RegistryError, match="there is no such blob"):
            blob.read(1)


def test_a_disk_that_is_full_is_told_with_the_layer(source: Source, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    layer = shared(source, tmp_path, readers=2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(OSError, match=f"keeping layer {source.layer.descriptor.digest}: File too large"):
            whole(layer.open())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_the_file_is_gone_when_the_last_reader_is(source: Source, tmp_path: Path) -> None:
    layer = shared(source, tmp_path, readers=2)
    whole(layer.open())
    assert files_in(tmp_path) > 0, "it is kept for the other reader"
    whole(layer.open())
    assert come_true(lambda: files_in(tmp_path) == 0)
    assert not list(tmp_path.iterdir())


def test_the_file_is_gone_when_the_last_reader_does_not_come(source: Source, tmp_path: Path) -> None:
    layer = shared(source, tmp_path, readers=2)
    whole(layer.open())
    layer.forgo()
    assert come_true(lambda: files_in(tmp_path) == 0)


def test_a_reader_who_stops_halfway_does_not_disturb_the_others(slow: Source, tmp_path: Path) -> None:
    layer = shared(slow, tmp_path, readers=3)
    stopped, other = layer.open(), layer.open()
    stopped.read(1000)
    stopped.close()
    slow.may_end.set()
    assert whole(other) == DATA
    assert whole(layer.open()) == DATA
    assert len(slow.opened) == 1


def test_the_file_is_gone_when_all_readers_have_stopped_halfway(slow: Source, tmp_path: Path) -> None:
    layer = shared(slow, tmp_path, readers=2)
    for _ in range(2):
        with layer.open() as blob:
            blob.read(1000)
    del blob
    slow.may_end.set()
    assert come_true(lambda: files_in(tmp_path) == 0)


def test_layers_on_their_way_share_what_others_read_and_leave_the_rest_to_a_thread_of_their_own(
    tmp_path: Path,
) -> None:
    sources = [Source(), Source()]
    layers = [
        shared(source, tmp_path, readers=readers) for source, readers in zip(sources, (2, 1), strict=True)
    ]
    for source in sources:
        source.may_end.set()
    with downloading(layers, tmp_path) as blobs:
        assert [b"".join(iter(lambda blob=blob: blob.read(70_000), b"")) for blob in blobs] == [DATA, DATA]  # type: ignore[misc]
    assert whole(layers[0].open()) == DATA
    assert [len(source.opened) for source in sources] == [1, 1]


@pytest.fixture
def client() -> Iterator[RegistryClient]:
    with plain_client() as made:
        yield made


def test_two_images_with_a_layer_in_common_fetch_it_once(
    registry: Registry, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    common = {"common": os.urandom(2_000_000)}
    with running_gate(registry.host) as gate:
        references = [Reference.parse(f"{gate.host}/{name}/{number}") for number in range(2)]
        for number, reference in enumerate(references):
            made = make_image(tmp_path / str(number), common, {"own": str(reference).encode()})
            push(made, str(reference))
        puller, blobs = Puller(client), Blobs(tmp_path)
        images = [blobs.shared(puller.resolve(each, Platform("linux", "amd64"))) for each in references]
        for image in images:
            blobs.expect(image)

        for image in images:
            for shared_layer in image.layers:
                assert Digest.of(whole(shared_layer.open())) == shared_layer.layer.descriptor.digest

        digests = {each.descriptor.digest for image in images for each in image.image.layers}
        assert len(digests) == 3
        assert [gate.count("GET", f"/blobs/{digest}") for digest in digests] == [1, 1, 1]
