"""Digests of what steps take from elsewhere: of names, modes, owners, links and contents, never of times."""

import hashlib
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from types import TracebackType
from typing import Self

from yadokari_builder.cache.steps.known import KnownDigests
from yadokari_builder.dockerfile.chmod import ModeChange
from yadokari_builder.dockerfile.ignore import IgnorePatterns
from yadokari_builder.errors import CancelledError
from yadokari_builder.plan.steps import LocalFiles, LocalPaths
from yadokari_builder.rootfs.xattrs import read_xattrs
from yadokari_builder.sources.selection import Chosen, select
from yadokari_builder.sources.tree import SourceTree
from yadokari_builder.sources.wildcards import find

MOST_LISTED = 1000
"""Of more files the log does not say which have changed."""

_NO_ATTRIBUTES = b"0 "
_MOST_WORKERS = 8
_SHORT = 8
_CHUNK = 1 << 20
# Smaller files are hashed sooner than a thread is woken.
_WORTH_A_THREAD = 1 << 18
# Each file that waits is open.
_MOST_WAITING = 64


class Hashing:
    """Digests of files and folders; large files are hashed side by side, and what is `known` is not read.

    `stop` has it end soon, also within a large file, with `CancelledError`; so does leaving the context.
    """

    def __init__(self, known: KnownDigests | None = None, stop: Event | None = None) -> None:
        self._known = known
        self._stop = stop or Event()
        self._left = Event()
        workers = min(_MOST_WORKERS, len(os.sched_getaffinity(0)))
        self._pool = ThreadPoolExecutor(workers, "hash")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left.set()
        self._pool.shutdown(cancel_futures=True)

    def digest(
        self,
        tree: SourceTree,
        copied: LocalFiles | LocalPaths,
        exclude: IgnorePatterns | None,
        listing: dict[str, str] | None = None,
        mode: ModeChange | None = None,
    ) -> str:
        """Return the digest, in hex, of what is taken of a tree, with the modes that `mode` makes of theirs.

        Into `listing` goes what tells the first so many files apart, by where they are in the tree.

        Raises ContextError for what is not there, and OSError.
        """
        top, include = (copied.path, None) if isinstance(copied, LocalFiles) else (copied.top, copied.pattern)
        unpack = isinstance(copied, LocalFiles) and copied.unpack
        is_literal = isinstance(copied, LocalFiles) and copied.is_literal
        whole = hashlib.sha256(b"unpacked" if unpack else b"copied")
        for path in [top] if is_literal else find(tree, top):
            whole.update(b"\0top\0")
            taking = _Taking(tree, mode, self._pool, self._known, self._check)
            for name, piece in taking.pieces(select(tree, path, include=include, exclude=exclude)):
                whole.update(piece)
                if listing is not None and len(listing) < MOST_LISTED:
                    listing[name] = hashlib.sha256(piece).hexdigest()[:_SHORT]
        return whole.hexdigest()

    def _check(self) -> None:
        if self._stop.is_set() or self._left.is_set():
            raise CancelledError("nobody wants to know any more")


@dataclass(slots=True)
class _Taking:
    tree: SourceTree
    change: ModeChange | None
    pool: ThreadPoolExecutor
    known: KnownDigests | None
    check: Callable[[], None]
    _links: dict[tuple[int, int], int] = field(default_factory=dict)
    _waiting: deque[tuple[str, bytes, "Future[bytes] | bytes"]] = field(default_factory=deque)

    def pieces(self, chosen: Iterable[Chosen]) -> Iterator[tuple[str, bytes]]:
        """Yield what a digest is made of: every file's path, and its description with its content's digest.

        All that varies in length ends in a byte that it cannot hold, or has its length before it.
        """
        try:
            for each in chosen:
                self.check()
                self._waiting.append((each.path, *self._describe(each)))
                if len(self._waiting) > _MOST_WAITING:
                    yield self._first()
            while self._waiting:
                yield self._first()
        finally:
            for _, _, content in self._waiting:
                if isinstance(content, Future):
                    content.cancel()

    def _first(self) -> tuple[str, bytes]:
        path, description, content = self._waiting.popleft()
        return path, description + (content if isinstance(content, bytes) else content.result())

    def _describe(self, chosen: Chosen) -> "tuple[bytes, Future[bytes] | bytes]":
        status = chosen.status
        mode = status.st_mode
        content: Future[bytes] | bytes = b""
        if stat.S_ISREG(mode):
            attributes, content = self._content(chosen)
        elif stat.S_ISLNK(mode):
            attributes = _attributes(chosen.host)
            content = os.fsencode(chosen.target()) + b"\0"
        else:
            attributes = _attributes(chosen.host)
        uid, gid = self.tree.owner or (status.st_uid, status.st_gid)
        device = status.st_rdev if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else 0
        if self.change and chosen.is_taken and not stat.S_ISLNK(mode):
            # What a file becomes: that it is another one in each checkout is what --chmod is given for.
            mode = stat.S_IFMT(mode) | self.change.apply(mode)
        numbers = (mode, uid, gid, device, self._first_name(status), chosen.is_taken)
        fields = b"%o %d %d %d %d %d " % numbers
        return fields + os.fsencode(chosen.place) + b"\0" + attributes, content

    def _content(self, chosen: Chosen) -> "tuple[bytes, Future[bytes] | bytes]":
        """Return a file's attributes, and the digest of what it holds."""
        file = chosen.open()
        # Opening has a network file system ask what the file is now.
        if self.known and (digest := self.known.find(file)):
            os.close(file)
            return _NO_ATTRIBUTES, digest
        attributes = _attributes(file)
        known = self.known if attributes == _NO_ATTRIBUTES else None
        if chosen.status.st_size < _WORTH_A_THREAD:
            return attributes, _hashed(file, chosen.status.st_size, known, self.check)
        content = self.pool.submit(_hashed, file, 0, known, self.check)
        content.add_done_callback(lambda done: os.close(file) if done.cancelled() else None)
        return attributes, content

    def _first_name(self, status: os.stat_result) -> int:
        """Tell of which file, counted from 1, this is another name; 0 for one that has a single name."""
        if status.st_nlink < 2 or stat.S_ISDIR(status.st_mode):
            return 0
        return self._links.setdefault((status.st_dev, status.st_ino), len(self._links) + 1)


def _attributes(file: str | int) -> bytes:
    attributes = read_xattrs(file)
    texts = (b"%b\0%d %b" % (os.fsencode(name), len(value), value) for name, value in attributes.items())
    return b"%d " % len(attributes) + b"".join(texts)


def _hashed(file: int, size: int, known: KnownDigests | None, check: Callable[[], None]) -> bytes:
    """Hash an open file, and close it; one of `size` bytes is read at once, as long as it has no more.

    What is `known` takes note of it. What `check` raises, which is called again and again, gives it up.
    """
    try:
        data = os.read(file, size + 1) if size else b""
        digest = hashlib.sha256(data)
        if len(data) != size or not size:
            while data := os.read(file, _CHUNK):
                digest.update(data)
                check()
        if known:
            known.note(file, digest.digest())
        return digest.digest()
    finally:
        os.close(file)
