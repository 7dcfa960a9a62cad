"""A layer's file while it is written: who wants it early reads on its heels."""

import io
from pathlib import Path
from threading import Condition
from typing import BinaryIO, cast

from yadokari_builder.errors import CancelledError
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.layer import Layer


class GrowingFile:
    """How far a file has been written; for one writer and any number of readers, each in its thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = Condition()
        self._size = 0
        self._ended = False
        self._layer: Layer | None = None

    def grow(self, size: int) -> None:
        """Tell how many bytes can be read by now."""
        with self._changed:
            self._size = size
            self._changed.notify_all()

    def end(self, layer: Layer | None) -> None:
        """Tell what layer the file has become, or that it has become none."""
        with self._changed:
            self._ended = True
            self._layer = layer
            self._changed.notify_all()

    def open(self) -> BinaryIO:
        """Open the file for reading from its beginning; reading waits for what is not there yet.

        It raises `CancelledError` where the file was given up.
        """
        return cast(BinaryIO, _Follower(self, open(self._path, "rb", buffering=0)))

    def descriptor(self) -> Descriptor:
        """Wait for the end of writing and return what the layer is; raises as reading does."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended)
        if self._layer is None:
            raise CancelledError(f"{self._path} was given up while it was written")
        return self._layer.descriptor

    def available(self, offset: int) -> int:
        """Wait for bytes beyond an offset and return how many there are: none at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._size > offset or self._ended)
            size = self._size
        if size <= offset:
            self.descriptor()
        return size - offset


class _Follower(io.RawIOBase):
    def __init__(self, growing: GrowingFile, file: io.FileIO) -> None:
        self._growing = growing
        self._file = file
        self._offset = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        available = self._growing.available(self._offset)
        data = self._file.read(available if size < 0 else min(size, available))
        self._offset += len(data)
        return data

    def close(self) -> None:
        self._file.close()
        super().close()
