"""Layers on their way from a registry: while one is unpacked, the next ones come in."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from yadokari_builder.layers.spool import SpooledReader
from yadokari_builder.registry.source import LayerSource

# Each of them has at most some mebibytes in memory, and one layer on disk.
_AT_ONCE = 3


class _Download:
    """A blob that is opened by who reads it first."""

    def __init__(self, layer: LayerSource) -> None:
        self._layer = layer
        self._blob: BinaryIO | None = None

    def read(self, size: int, /) -> bytes:
        if self._blob is None:
            self._blob = self._layer.open()
        return self._blob.read(size)

    def close(self) -> None:
        if self._blob is not None:
            self._blob.close()


@contextmanager
def downloading(layers: Iterable[LayerSource], folder: Path) -> Iterator[Iterator[BinaryIO]]:
    """Give the blobs of layers one after the other; leaving the context gives up what is under way.

    What comes in before its turn goes to nameless files in `folder`.

    Reading a blob raises what opening or reading its source raises.
    """
    waiting = deque(layers)
    running: deque[tuple[_Download, SpooledReader]] = deque()

    def start() -> None:
        while waiting and len(running) < _AT_ONCE:
            download = _Download(waiting.popleft())
            running.append((download, SpooledReader(download, folder)))

    def stop_first() -> None:
        download, reader = running.popleft()
        reader.close()
        download.close()

    def blobs() -> Iterator[BinaryIO]:
        start()
        while running:
            yield cast(BinaryIO, running[0][1])
            stop_first()
            start()

    try:
        yield blobs()
    finally:
        while running:
            stop_first()
