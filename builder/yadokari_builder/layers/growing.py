"""A file while it is written: who wants it early reads on its heels."""

import io
from threading import Condition
from typing import BinaryIO, cast

from yadokari_builder.errors import CancelledError
from yadokari_builder.layers.nameless import NamelessFile
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest


class GrowingFile:
    """How far a file has been written; for one writer and any number of readers, each in its thread."""

    def __init__(self, file: NamelessFile) -> None:
        self._file = file
        self._changed = Condition()
        self._size = 0
        self._ended = False
        self._error: BaseException | None = None
        self._descriptor: Descriptor | None = None

    def grow(self, size: int) -> None:
        """Tell how many bytes can be read by now."""
        with self._changed:
            self._size = size
            self._changed.notify_all()

    def end(self, descriptor: Descriptor) -> None:
        """Tell what the file has become; all of it can be read."""
        with self._changed:
            self._size = descriptor.size
            self._descriptor = descriptor
            self._ended = True
            self._changed.notify_all()

    def give_up(self, error: BaseException | None = None) -> None:
        """Tell that nothing more comes; readers get `error`, or `CancelledError`."""
        with self._changed:
            self._error = error or CancelledError("a file was given up while it was written")
            self._ended = True
            self._changed.notify_all()

    def open(self) -> BinaryIO:
        """Open the file for reading from its beginning; reading waits for what is not there yet.

        It raises what the file was given up for.
        """
        return cast(BinaryIO, _Follower(self, self._file.open()))

    def descriptor(self) -> Descriptor:
        """Wait for the end of writing and return what the file is; raises as reading does."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended)
        if self._error is not None:
            raise self._error
        assert self._descriptor is not None
        return self._descriptor

    def has_become(self, digest: Digest) -> bool:
        """Tell whether the file is this blob by now; it is none while it is written."""
        with self._changed:
            return self._descriptor is not None and self._descriptor.digest == digest

    def available(self, offset: int) -> int:
        """Wait for bytes beyond an offset and return how many there are: none at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._size > offset or self._ended)
            size = self._size
        if size <= offset:
            self.descriptor()
        return size - offset


class _Follower(io.RawIOBase):
    def __init__(self, growing: GrowingFile, file: BinaryIO) -> None:
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
