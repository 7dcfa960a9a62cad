"""The file of a layer: tar archive, diff ID, compression and digest in one pipeline of two threads."""

import hashlib
import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, cast

from yadokari_builder.errors import BuilderError
from yadokari_builder.layers.compression import Compression, CompressionKind, compressor
from yadokari_builder.layers.fingerprints import crc32
from yadokari_builder.layers.growing import GrowingFile
from yadokari_builder.layers.leaks import Search
from yadokari_builder.layers.nameless import NamelessFile
from yadokari_builder.layers.tar_member import BLOCK
from yadokari_builder.oci import media_types
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.layer import Layer

_BUFFER_SIZE = 1 << 20
_BUFFERS = 4
# Smaller ones are complete before it pays to send them early.
_WORTH_WATCHING = 16 << 20
_END_OF_ARCHIVE = bytes(2 * BLOCK)
_MEDIA_TYPES = {
    CompressionKind.GZIP: media_types.OCI_LAYER_GZIP,
    CompressionKind.ZSTD: media_types.OCI_LAYER_ZSTD,
    CompressionKind.NONE: media_types.OCI_LAYER,
}


Watch = Callable[[GrowingFile], None]
"""Is told of a layer's file once it is large, while it is still written; called in any thread."""

Read = Callable[[memoryview, int], int]
"""Reads from an offset into a buffer and returns how many bytes there were, none at the end."""


class Hearer(Protocol):
    """Is told what files hold, piece by piece; a hash, for instance."""

    def update(self, content: "bytes | memoryview", /) -> object:
        """Take the next piece."""


class Content(Protocol):
    """What a file of a layer holds."""

    def write_to(self, layer: "LayerFile", size: int) -> int:
        """Write the first `size` bytes into a layer and return their CRC-32.

        Raises BuilderError if there are fewer.
        """
        ...


class LayerFile:
    """A layer's archive, written to a nameless file in `directory`; a few mebibytes are in memory at a time.

    The archive is put together and hashed (diff ID) in the caller's thread, compressed, hashed (digest) and
    written in another. Leaving the context without `finish` gives the file up. `beat` is called in the
    caller's thread after every mebibyte of the archive, and `search` looks through it. The `hearers` are
    told what files hold.
    """

    def __init__(
        self,
        directory: Path,
        compression: Compression,
        watch: Watch | None = None,
        beat: Callable[[], None] | None = None,
        search: Search | None = None,
        hearers: Sequence[Hearer] = (),
    ) -> None:
        self._media_type = _MEDIA_TYPES[compression.kind]
        self._compressor = compressor(compression)
        self.file = NamelessFile(directory)
        self._diff_id = hashlib.sha256()
        self._digest = hashlib.sha256()
        self._size = 0
        self._passed = 0
        self._free: queue.Queue[memoryview] = queue.Queue()
        for _ in range(_BUFFERS):
            self._free.put(memoryview(bytearray(_BUFFER_SIZE)))
        self._full: queue.Queue[tuple[memoryview, int] | None] = queue.Queue()
        self._buffer = self._free.get()
        self._position = 0
        self._error: BaseException | None = None
        self._finished = False
        self._watch = watch
        self._beat = beat
        self._hearers = hearers
        self._search = search
        self._growing: GrowingFile | None = None
        self._thread = threading.Thread(target=self._compress, name="compress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._finished:
            self._full.put(None)
            self._thread.join()
            self.file.close()
            if self._growing is not None:
                self._growing.give_up()

    def begin(self, name: str) -> None:
        """Tell that a member begins here."""
        if self._search:
            self._search.begin(name, self._passed + self._position)

    def write(self, data: bytes) -> None:
        """Add bytes to the archive."""
        size = len(data)
        end = self._position + size
        if end > _BUFFER_SIZE:
            self._write_across_buffers(memoryview(data))
            return
        self._buffer[self._position : end] = data
        self._position = end

    def write_file(self, read: Read, size: int, name: str) -> int:
        """Add the first `size` bytes of a file, and what fills them up to whole blocks; returns their CRC-32.

        Raises BuilderError if the file, called `name`, is shorter.
        """
        offset = checksum = 0
        while offset < size:
            if self._position == _BUFFER_SIZE:
                self._pass_on()
            end = self._position + size - offset
            got = read(self._buffer[self._position : end], offset)
            if not got:
                raise BuilderError(f"{name} became shorter while it was packed into a layer")
            piece = self._buffer[self._position : self._position + got]
            checksum = crc32(piece, checksum)
            for hearer in self._hearers:
                hearer.update(piece)
            self._position += got
            offset += got
        self.write(bytes(-size % BLOCK))
        return checksum

    def write_content(self, data: bytes) -> int:
        """Add what a file holds, and what fills it up to whole blocks; returns its CRC-32."""
        self.write(data)
        self.write(bytes(-len(data) % BLOCK))
        for hearer in self._hearers:
            hearer.update(data)
        return crc32(data)

    def finish(self) -> Layer:
        """End the archive and return what it is; nothing can be added any more."""
        self.write(_END_OF_ARCHIVE)
        self._pass_on()
        self._full.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error
        self._store(self._compressor.flush())
        self._finished = True
        digest = Digest("sha256", self._digest.hexdigest())
        diff_id = Digest("sha256", self._diff_id.hexdigest())
        layer = Layer(Descriptor(self._media_type, digest, self._size), diff_id)
        if self._growing is not None:
            self._growing.end(layer.descriptor)
        return layer

    def _write_across_buffers(self, data: memoryview) -> None:
        while data:
            if self._position == _BUFFER_SIZE:
                self._pass_on()
            part = data[: _BUFFER_SIZE - self._position]
            end = self._position + len(part)
            self._buffer[self._position : end] = part
            self._position = end
            data = data[len(part) :]

    def _pass_on(self) -> None:
        """Hand a full buffer to the other thread and take a free one."""
        self._diff_id.update(self._buffer[: self._position])
        if self._search:
            self._search.feed(cast(bytearray, self._buffer.obj), self._position)
        self._passed += self._position
        self._full.put((self._buffer, self._position))
        self._buffer = self._free.get()
        self._position = 0
        if self._error is not None:
            raise self._error
        if self._beat:
            self._beat()

    def _compress(self) -> None:
        while (item := self._full.get()) is not None:
            buffer, size = item
            try:
                if self._error is None:
                    self._store(self._compressor.compress(buffer[:size]))
            except Exception as error:
                self._error = error
            self._free.put(buffer)

    def _store(self, data: bytes) -> None:
        self._digest.update(data)
        self._size += len(data)
        try:
            self.file.append(data)
        except OSError as error:
            # The user knows of layers, not of the files that they are on their way in.
            raise OSError(error.errno, f"writing the layer: {error.strerror}") from error
        if self._watch is not None and self._size >= _WORTH_WATCHING:
            self._show(self._watch)

    def _show(self, watch: Watch) -> None:
        if self._growing is None:
            self._growing = GrowingFile(self.file)
            watch(self._growing)
        self._growing.grow(self._size)
