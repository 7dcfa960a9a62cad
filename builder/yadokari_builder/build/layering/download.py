"""Layers on their way from a registry: while one is unpacked, the next ones come in."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from yadokari_builder.build.layering.blobs import SharedLayer
from yadokari_builder.layers.spool import SpooledReader
from yadokari_builder.registry.source import LayerSource

# Each of them has at most some mebibytes in memory, and one layer on disk.
_AT_ONCE = 3


class _Download:
    """A blob that is opened by who reads it first."""

    def __init__(self, opening: Callable[[], BinaryIO]) -> None:
        self._opening = opening
        self._blob: BinaryIO | None = None

    def read(self, size: int, /) -> bytes:
        if self._blob is None:
            self._blob = self._opening()
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
    running: deque[ExitStack] = deque()
    opened: deque[BinaryIO] = deque()

    def start() -> None:
        while waiting and len(running) < _AT_ONCE:
            stack = ExitStack()
            running.append(stack)
            opened.append(_read_ahead(waiting.popleft(), folder, stack))

    def blobs() -> Iterator[BinaryIO]:
        start()
        while running:
            yield opened.popleft()
            running.popleft().close()
            start()

    try:
        yield blobs()
    finally:
        while running:
            running.popleft().close()


def _read_ahead(layer: LayerSource, folder: Path, stack: ExitStack) -> BinaryIO:
    opening = layer.open
    if isinstance(layer, SharedLayer):
        if shared := layer.join():
            # It comes in by itself, for others too.
            return stack.enter_context(shared.open())
        opening = layer.open_unannounced
    download = stack.enter_context(closing(_Download(opening)))
    return cast(BinaryIO, stack.enter_context(closing(SpooledReader(download, folder))))
