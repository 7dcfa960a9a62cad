"""Layers as they are stored, decompressed and hashed ahead of who unpacks them."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import BinaryIO

from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.layers.compression import decompress
from yadokari_builder.layers.streams import CHUNK_SIZE, Ahead, ChunkReader, HashingReader, read_chunk
from yadokari_builder.oci.digest import Digest

_Item = bytes | HashingReader
"""Some of an archive, or at its end what has hashed it."""


class Archive(ChunkReader):
    """What one blob holds, decompressed; reading raises what goes wrong with that."""

    def __init__(self, items: Ahead[_Item], diff_id: Digest) -> None:
        self._items = items
        self._diff_id = diff_id
        self._whole: HashingReader | None = None

    def check(self) -> None:
        """Compare the archive, which was read to its end, with its diff ID. Raises ImageInvalidError."""
        assert self._whole
        if (found := self._whole.hexdigest()) != self._diff_id.hex:
            algorithm = self._diff_id.algorithm
            raise ImageInvalidError(
                f"a layer's content is {algorithm}:{found}, but the image's config says {self._diff_id}"
            )

    def _next_chunk(self) -> bytes:
        if self._whole:
            return b""
        item = self._items.take()
        if isinstance(item, HashingReader):
            self._whole = item
            return b""
        return item


@contextmanager
def decompressing(blobs: Iterable[BinaryIO], diff_ids: Sequence[Digest]) -> Iterator[Iterator[Archive]]:
    """Give the archives of blobs one after the other, each with the diff ID that it should have.

    A thread reads, decompresses and hashes some mebibytes ahead: of the next archive, too, while the end of
    the one before is still being unpacked. Leaving the context ends the thread; it closes no blob.
    """
    with closing(Ahead(_decompressed(blobs, diff_ids), "decompress")) as items:
        yield _archives(items, diff_ids)


def _decompressed(blobs: Iterable[BinaryIO], diff_ids: Sequence[Digest]) -> Iterator[_Item]:
    for blob, diff_id in zip(blobs, diff_ids, strict=True):
        archive = HashingReader(decompress(blob), diff_id.hasher())
        yield from iter(partial(read_chunk, archive, CHUNK_SIZE), b"")
        yield archive


def _archives(items: Ahead[_Item], diff_ids: Sequence[Digest]) -> Iterator[Archive]:
    for diff_id in diff_ids:
        archive = Archive(items, diff_id)
        yield archive
        while archive.read(CHUNK_SIZE):
            pass
