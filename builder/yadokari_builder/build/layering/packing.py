"""Layers packed one after the other, while the build goes on where that is possible."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Self

from yadokari_builder.errors import CancelledError
from yadokari_builder.layers.compression import DEFAULT_COMPRESSION, Compression
from yadokari_builder.layers.fingerprints import Fingerprints
from yadokari_builder.layers.held import Held, hold
from yadokari_builder.layers.layer_file import Watch
from yadokari_builder.layers.leaks import NOTHING, Sought
from yadokari_builder.layers.members import Members
from yadokari_builder.layers.pack import PackedLayer, pack

# Bytes of memory for layers that are packed while the build goes on.
_MOST_HELD = 32 << 20
# Less content than this is packed sooner than a thread is woken.
_WORTH_A_THREAD = 1 << 20


@dataclass(frozen=True, slots=True)
class Packing:
    """How layers are packed: into which folder, how compressed, the latest time that files may have.

    `timestamp` is in seconds since the epoch. What is at or below the in-root paths `ignored` is in no layer.
    `watch` is told of a large layer's file while it is written; what is `sought` is looked for in all layers.
    """

    folder: Path
    compression: Compression = DEFAULT_COMPRESSION
    timestamp: int | None = None
    ignored: frozenset[str] = frozenset()
    watch: Watch | None = None
    sought: Sought = NOTHING

    def now(self) -> str:
        """Return the time of what is made now, in RFC 3339."""
        time = datetime.now(UTC) if self.timestamp is None else datetime.fromtimestamp(self.timestamp, UTC)
        return time.isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a layer is for: `is_sent` if it is the image's.

    If it `is_named` its content is to be named; if it `is_outlined` its outline is wanted, too.
    """

    is_sent: bool = True
    is_named: bool = False
    is_outlined: bool = False


OF_THE_IMAGE = Purpose()


class Packer:
    """Packs layers in the order they are given in; `made` is told of each, in any thread.

    Leaving the context gives up what has not been packed yet.
    """

    def __init__(self, packing: Packing, made: Callable[[PackedLayer], None]) -> None:
        self.packing = packing
        self._made = made
        self._thread = ThreadPoolExecutor(1, "pack")
        self._stopped = Event()
        self._waiting: list[tuple[Held, Future[PackedLayer]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.shutdown(cancel_futures=True)
        for held, _future in self._waiting:
            held.release()

    def pack(
        self,
        members: Members,
        *,
        followed: bool,
        fingerprints: Fingerprints | None = None,
        purpose: Purpose = OF_THE_IMAGE,
    ) -> "Future[PackedLayer]":
        """Pack a layer; `fingerprints` are told what its files hold.

        `followed` tells that steps follow which may write to the members' files; where they can be held
        against that, the layer is packed meanwhile, and what goes wrong comes with the future.
        """
        if not followed:
            return self._pack_now(members, fingerprints, purpose)
        held = hold(members, self._left(), self.packing.folder)
        if held.rest or (not self._waiting and held.size < _WORTH_A_THREAD):
            try:
                return self._pack_now(held, fingerprints, purpose)
            finally:
                held.release()
        future = self._thread.submit(self._pack_held, held, fingerprints, purpose)
        self._waiting.append((held, future))
        return future

    def _left(self) -> int:
        """Return how much more memory there is."""
        self._waiting = [waiting for waiting in self._waiting if not waiting[1].done()]
        return _MOST_HELD - sum(held.memory for held, _ in self._waiting)

    def wait(self) -> None:
        """Wait until nothing is packed any more."""
        for _, future in self._waiting:
            future.exception()
        self._waiting = []

    def _pack_now(
        self, members: Members, fingerprints: Fingerprints | None, purpose: Purpose
    ) -> "Future[PackedLayer]":
        self.wait()
        future: Future[PackedLayer] = Future()
        future.set_result(self._pack(members, fingerprints, purpose))
        return future

    def _pack_held(self, held: Held, fingerprints: Fingerprints | None, purpose: Purpose) -> PackedLayer:
        try:
            return self._pack(held, fingerprints, purpose, self._beat)
        finally:
            held.release()

    def _beat(self) -> None:
        if self._stopped.is_set():
            raise CancelledError("the build was given up while a layer was packed")

    def _pack(
        self,
        members: Members,
        fingerprints: Fingerprints | None,
        purpose: Purpose,
        beat: Callable[[], None] | None = None,
    ) -> PackedLayer:
        layer = pack(
            members,
            self.packing.folder,
            compression=self.packing.compression,
            watch=self.packing.watch if purpose.is_sent else None,
            beat=beat,
            fingerprints=fingerprints,
            with_content=purpose.is_named,
            with_outline=purpose.is_outlined,
            sought=self.packing.sought,
        )
        if purpose.is_sent:
            self._made(layer)
        return layer
