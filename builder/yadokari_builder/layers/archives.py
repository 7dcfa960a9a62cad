"""Layers as they are stored, decompressed and hashed ahead of who unpacks them."""

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import BinaryIO

from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.layers.compression import decompress
from yadokari_builder.layers.streams import CHUNK_SIZE, ChunkReader, HashingReader, read_chunk
from yadokari_builder.oci.digest import Digest

_CHUNKS_AHEAD = 4
_POLL_SECONDS = 0.01

_Items = queue.Queue["bytes | HashingReader | BaseException"]
"""Some of an archive, what has hashed it at its end, or what went wrong."""


class Archive(ChunkReader):
    """What one blob holds, decompressed; reading raises what goes wrong with that."""

    def __init__(self, items: _Items, diff_id: Digest) -> None:
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
        item = self._items.get()
        if isinstance(item, bytes):
            return item
        if isinstance(item, HashingReader):
            self._whole = item
            return b""
        self._items.put(item)  # there is nothing after it
        raise item


@contextmanager
def decompressing(blobs: Iterable[BinaryIO], diff_ids: Sequence[Digest]) -> Iterator[Iterator[Archive]]:
    """Give the archives of blobs one after the other, each with the diff ID that it should have.

    A thread reads, decompresses and hashes some mebibytes ahead: of the next archive, too, while the end of
    the one before is still being unpacked. Leaving the context ends the thread; it closes no blob.
    """
    items: _Items = queue.Queue(_CHUNKS_AHEAD)
    stopped = threading.Event()

    def fill() -> None:
        try:
            for blob, diff_id in zip(blobs, diff_ids, strict=True):
                archive = HashingReader(decompress(blob), diff_id.hasher())
                while (chunk := read_chunk(archive, CHUNK_SIZE)) and not stopped.is_set():
                    items.put(chunk)
                if stopped.is_set():
                    return
                items.put(archive)
        except BaseException as error:
            items.put(error)

    thread = threading.Thread(target=fill, name="decompress", daemon=True)
    thread.start()
    try:
        yield _archives(items, diff_ids)
    finally:
        stopped.set()
        while thread.is_alive():
            with suppress(queue.Empty):
                items.get(timeout=_POLL_SECONDS)


def _archives(items: _Items, diff_ids: Sequence[Digest]) -> Iterator[Archive]:
    for diff_id in diff_ids:
        archive = Archive(items, diff_id)
        yield archive
        while archive.read(CHUNK_SIZE):
            pass
