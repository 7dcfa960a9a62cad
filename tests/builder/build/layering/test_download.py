import io
import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from support.watching import come_true
from yadokari_builder.build.layering.download import downloading
from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.layer import Layer


class Blob(io.BytesIO):
    was_read = False

    def read(self, size: int | None = -1, /) -> bytes:
        self.was_read = True
        return super().read(size)


@dataclass
class Source:
    data: bytes
    repository: None = None
    opened: threading.Event = field(default_factory=threading.Event)
    blob: Blob | None = None

    @property
    def layer(self) -> Layer:
        digest = Digest.of(self.data)
        return Layer(Descriptor("application/x", digest, len(self.data)), digest)

    def open(self) -> BinaryIO:
        self.blob = Blob(self.data)
        self.opened.set()
        return cast(BinaryIO, self.blob)


def is_read(source: Source) -> bool:
    return source.blob is not None and source.blob.tell() == len(source.data)


class Broken(Source):
    def open(self) -> BinaryIO:
        raise ImageInvalidError("there is no such blob")


def test_blobs_come_in_order_and_whole(tmp_path: Path) -> None:
    sources = [Source(bytes([number]) * 3_000_000) for number in range(7)]
    with downloading(sources, tmp_path) as blobs:
        found = [b"".join(iter(lambda blob=blob: blob.read(70_000), b"")) for blob in blobs]  # type: ignore[misc]
    assert found == [source.data for source in sources]
    assert all(source.blob and source.blob.closed for source in sources)


def test_the_next_layers_come_in_while_the_first_is_read_but_not_all_of_them(
    tmp_path: Path,
) -> None:
    sources = [Source(b"layer" * 10) for _ in range(5)]
    with downloading(sources, tmp_path) as blobs:
        next(blobs)
        assert sources[1].opened.wait(60)
        assert sources[2].opened.wait(60)
        assert not sources[3].opened.is_set()
    assert all(source.blob.closed for source in sources if source.blob)


def test_the_next_layers_come_in_whole_while_the_first_is_read(tmp_path: Path) -> None:
    sources = [Source(bytes([number]) * 20_000_000) for number in range(3)]
    with downloading(sources, tmp_path) as blobs:
        next(blobs).read(1)
        for source in sources[1:]:
            assert come_true(partial(is_read, source))


def test_a_layer_that_cannot_be_opened_fails_when_its_turn_comes(tmp_path: Path) -> None:
    with downloading([Source(b"fine"), Broken(b"not")], tmp_path) as blobs:
        assert next(blobs).read() == b"fine"
        broken = next(blobs)
        with pytest.raises(ImageInvalidError, match="no such blob"):
            broken.read(1)
