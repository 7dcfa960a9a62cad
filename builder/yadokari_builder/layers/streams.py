"""Streams that hash, or read ahead in a thread of their own."""

import hashlib
import io
import queue
import threading
from typing import Protocol

# Large enough that handing a chunk from thread to thread costs nothing, small enough that the chunks under
# way stay in the processor's cache.
CHUNK_SIZE = 1 << 20
_CHUNKS_AHEAD = 4


class Readable(Protocol):
    """What gives bytes: at most `size` of them, none at the end."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes."""
        ...


def read_chunk(stream: Readable, size: int) -> bytes:
    """Return exactly `size` bytes, fewer only at the end of the stream."""
    chunk = stream.read(size)
    if len(chunk) == size or not chunk:
        return chunk
    parts = [chunk]
    missing = size - len(chunk)
    while missing and (chunk := stream.read(missing)):
        parts.append(chunk)
        missing -= len(chunk)
    return b"".join(parts)


class HashingReader(io.RawIOBase):
    """Passes a stream on and keeps the hash of what went by."""

    def __init__(self, stream: Readable, hasher: "hashlib._Hash | None" = None) -> None:
        self._stream = stream
        self._hash = hashlib.sha256() if hasher is None else hasher

    def readable(self) -> bool:
        """Tell that this is for reading."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return what the stream gives, up to `size` bytes."""
        data = self._stream.read(size)
        self._hash.update(data)
        return data

    def hexdigest(self) -> str:
        """Return the hash of everything read so far."""
        return self._hash.hexdigest()


class ChunkReader(io.RawIOBase):
    """A stream whose bytes come in chunks of any size; `_next_chunk` is all there is to write."""

    _rest = b""

    def readable(self) -> bool:
        """Tell that this is for reading."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes: what is at hand, waiting only if nothing is."""
        chunk = self._rest or self._next_chunk()
        if 0 <= size < len(chunk):
            chunk, self._rest = chunk[:size], chunk[size:]
        else:
            self._rest = b""
        return chunk

    def _next_chunk(self) -> bytes:
        """Return the next chunk, nothing at the end."""
        raise NotImplementedError


class ThreadedReader(ChunkReader):
    """Reads a stream ahead in a thread: what it costs there runs beside the reader's own work.

    Errors of the stream are raised by `read`. `close` ends the thread; it does not close the stream.
    """

    def __init__(self, stream: Readable, *, chunk_size: int = CHUNK_SIZE) -> None:
        self._stream = stream
        self._chunk_size = chunk_size
        self._chunks: queue.Queue[bytes | BaseException] = queue.Queue(_CHUNKS_AHEAD)
        self._stopped = False
        self._ended = False
        self._thread = threading.Thread(target=self._fill, name="read-ahead", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop reading ahead."""
        self._stopped = True
        while self._thread.is_alive():
            try:
                self._chunks.get(timeout=0.01)
            except queue.Empty:
                continue
        super().close()

    def _next_chunk(self) -> bytes:
        if self._ended:
            return b""
        chunk = self._chunks.get()
        if isinstance(chunk, BaseException):
            self._ended = True
            raise chunk
        self._ended = not chunk
        return chunk

    def _fill(self) -> None:
        try:
            while not self._stopped:
                chunk = read_chunk(self._stream, self._chunk_size)
                self._chunks.put(chunk)
                if not chunk:
                    return
        except BaseException as error:
            self._chunks.put(error)
