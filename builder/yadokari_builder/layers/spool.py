"""A stream read ahead as far as it goes: into memory while somebody follows, into a file until then."""

import threading
from collections import deque
from pathlib import Path

from yadokari_builder.layers.nameless import NamelessFile
from yadokari_builder.layers.streams import CHUNK_SIZE, ChunkReader, Readable, read_chunk

_IN_MEMORY = 4


class SpooledReader(ChunkReader):
    """Reads a stream in a thread of its own, and goes on doing so while nobody reads what it has.

    What does not fit into four chunks of memory goes to a nameless file in `folder`, until the first `read`;
    from then on the thread waits for the reader. Errors of the stream are raised by `read`. `close` ends the
    thread; it does not close the stream.
    """

    def __init__(self, stream: Readable, folder: Path) -> None:
        self._stream = stream
        self._folder = folder
        self._changed = threading.Condition()
        self._first: deque[bytes] = deque()
        self._file: NamelessFile | None = None
        self._written = self._taken = 0
        self._last: deque[bytes] = deque()
        self._has_reader = self._ended = self._stopped = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._fill, name="spool", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop reading ahead."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()

    def _next_chunk(self) -> bytes:
        with self._changed:
            self._has_reader = True
            self._changed.notify_all()
            self._changed.wait_for(self._is_ready)
            try:
                if self._first:
                    return self._first.popleft()
                if self._taken < self._written and self._file is not None:
                    chunk = self._file.read(CHUNK_SIZE, self._taken)
                    self._taken += len(chunk)
                    return chunk
                if self._last:
                    return self._last.popleft()
            finally:
                self._changed.notify_all()
            if self._error:
                raise self._error
            return b""

    def _is_ready(self) -> bool:
        return bool(self._first or self._taken < self._written or self._last or self._ended)

    def _fill(self) -> None:
        try:
            while not self._stopped and (chunk := read_chunk(self._stream, CHUNK_SIZE)):
                self._put(chunk)
        except BaseException as error:
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _put(self, chunk: bytes) -> None:
        with self._changed:
            if not self._written and not self._has_reader and len(self._first) < _IN_MEMORY:
                self._first.append(chunk)
            elif not self._has_reader:
                self._spool(chunk)
            else:
                self._changed.wait_for(lambda: len(self._last) < _IN_MEMORY or self._stopped)
                self._last.append(chunk)
            self._changed.notify_all()

    def _spool(self, chunk: bytes) -> None:
        if self._file is None:
            self._file = NamelessFile(self._folder)
        self._file.append(chunk)
        self._written += len(chunk)
