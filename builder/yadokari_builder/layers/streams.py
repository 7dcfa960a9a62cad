"""Streams that hash, or read ahead in a thread of their own."""

import hashlib
import io
import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Generic, NamedTuple, Protocol, TypeVar

# Large enough that handing a chunk from thread to thread costs nothing, small enough that the chunks under
# way stay in the processor's cache.
CHUNK_SIZE = 1 << 20
_ITEMS_AHEAD = 4
_POLL_SECONDS = 0.01

Item = TypeVar("Item")


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


class _Failure(NamedTuple):
    error: BaseException


class Ahead(Generic[Item]):
    """Takes items in a thread, a few ahead of who takes them here: what they cost runs beside other work.

    `close` ends the thread, once what it is about has come.
    """

    def __init__(self, items: Iterable[Item], name: str) -> None:
        self._items = items
        self._queue: queue.Queue[Item | _Failure] = queue.Queue(_ITEMS_AHEAD)
        self._stopped = False
        self.thread = threading.Thread(target=self._fill, name=name, daemon=True)
        self.thread.start()

    def take(self) -> Item:
        """Return the next item, of which there has to be one; raises what coming to it has raised."""
        item = self._queue.get()
        if isinstance(item, _Failure):
            self._queue.put(item)  # there is nothing after it
            raise item.error
        return item

    def close(self) -> None:
        """Take no more."""
        self._stopped = True
        while self.thread.is_alive():
            with suppress(queue.Empty):
                self._queue.get(timeout=_POLL_SECONDS)

    def _fill(self) -> None:
        try:
            for item in self._items:
                self._queue.put(item)
                if self._stopped:
                    return
        except BaseException as error:
            self._queue.put(_Failure(error))


class ThreadedReader(ChunkReader):
    """Reads a stream ahead in a thread: what it costs there runs beside the reader's own work.

    Errors of the stream are raised by `read`. `close` ends the thread; it does not close the stream.
    """

    def __init__(self, stream: Readable) -> None:
        self._ahead = Ahead(_chunks(stream), "read-ahead")
        self._ended = False

    def close(self) -> None:
        """Stop reading ahead."""
        self._ahead.close()
        super().close()

    def _next_chunk(self) -> bytes:
        if self._ended:
            return b""
        chunk = self._ahead.take()
        self._ended = not chunk
        return chunk


def _chunks(stream: Readable) -> Iterator[bytes]:
    """Yield what a stream has, and nothing at its end."""
    chunk = b"..."
    while chunk:
        chunk = read_chunk(stream, CHUNK_SIZE)
        yield chunk
