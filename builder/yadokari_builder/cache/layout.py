"""An OCI layout on a volume (image-spec, image-layout.md) that several builds may write to at once.

Whoever else writes there is not trusted: links and pipes are not read, and nothing is longer than it may be.
"""

import fcntl
import glob
import hashlib
import logging
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BufferedReader
from typing import BinaryIO

from yadokari_builder.cache.locks import lock_file
from yadokari_builder.cache.whole import completed, sweep
from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.layout import INDEX, MARKER, REF_NAME, VERSION, blob_path
from yadokari_builder.oci.manifest import Index
from yadokari_builder.oci.media_types import OCI_INDEX

logger = logging.getLogger(__name__)

LOCK = ".lock"
"""What is locked by who changes the index."""

_MOST_INDEX = 20 << 20
# With four values each they stay below what is read of a document, in length and in number.
_MOST_NAMES = 40_000
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout in the folder `path`; methods raise OSError, and `ImageInvalidError` for what is damaged."""

    path: str

    @property
    def is_there(self) -> bool:
        """Whether anything has been put there."""
        return os.path.isfile(self._index)

    @property
    def obstacle(self) -> str:
        """What stands where a folder has to be; empty if nothing does."""
        blobs = os.path.join(self.path, "blobs")
        folders = (self.path, blobs, os.path.join(blobs, "sha256"))
        return next((path for path in folders if os.path.lexists(path) and not os.path.isdir(path)), "")

    def index(self) -> Index:
        """Read what is listed: nothing, where nothing is there."""
        try:
            return Index.parse(_read(self._index, _MOST_INDEX), OCI_INDEX)
        except FileNotFoundError:
            return Index(OCI_INDEX, ())

    def stamp(self) -> tuple[int, int, int] | None:
        """Tell by inode, time and size which file the index is; None for none."""
        try:
            status = os.lstat(self._index)
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def document(self, digest: Digest, most: int) -> bytes:
        """Read a blob of at most so many bytes, which fits its digest."""
        data = _read(self._blob(digest), most)
        if not digest.fits(data):
            raise ImageInvalidError(f"blob {digest} has another content")
        return data

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob, of which nothing is checked."""
        return _open(self._blob(digest))

    def has(self, descriptor: Descriptor) -> bool:
        """Tell whether a blob is there, by its length."""
        try:
            return os.stat(self._blob(descriptor.digest)).st_size == descriptor.size
        except FileNotFoundError:
            return False

    def holds(self, descriptor: Descriptor) -> bool:
        """Tell whether a blob is there, by its content, which nobody then deletes for a day."""
        digest = descriptor.digest
        path = self._blob(digest)
        try:
            with self.locked(LOCK):
                os.utime(path, follow_symlinks=False)
            with _open(path) as file:
                # A file without end would be read for as long as it lasts.
                is_as_long = os.fstat(file.fileno()).st_size == descriptor.size
                return is_as_long and hashlib.file_digest(file, digest.algorithm).hexdigest() == digest.hex
        except (FileNotFoundError, PermissionError, ImageInvalidError):
            return False

    def put(self, digest: Digest, chunks: Iterable[bytes]) -> None:
        """Write a blob, which is there as a whole or not at all; raises what reading it does, too."""
        with completed(self._blob(digest)) as file:
            file.writelines(chunks)

    def enlist(self, entries: Sequence[Descriptor]) -> None:
        """Name blobs in the index, each in place of what had its name; of too many names the oldest go.

        An index that cannot be read is made anew: it names what can be made again.
        """
        with self.locked(LOCK):
            try:
                index = self.index()
            except ImageInvalidError as error:
                logger.warning("%s: %s: it is made anew", self.path, error)
                index = Index(OCI_INDEX, ())
            names = {entry.annotations.get(REF_NAME) for entry in entries}
            others = (each for each in index.manifests if each.annotations.get(REF_NAME) not in names)
            self.put_index(replace(index, manifests=(*others, *entries)[-_MOST_NAMES:]))
            with completed(os.path.join(self.path, MARKER)) as file:
                file.write(VERSION)

    def put_index(self, index: Index) -> None:
        """Write the index, whose lock is held."""
        with completed(self._index) as file:
            file.write(index.format())

    def read_beside(self, name: str, most: int) -> bytes:
        """Read a file of at most so many bytes that is no part of the layout."""
        return _read(os.path.join(self.path, name), most)

    def put_beside(self, name: str, data: bytes) -> None:
        """Write a file that is no part of the layout, which is there as a whole or not at all."""
        with completed(os.path.join(self.path, name)) as file:
            file.write(data)

    @contextmanager
    def locked(self, name: str, told: str = "") -> Iterator[None]:
        """Lock a file of the layout (flock(2)); what is `told` is said if another one has locked it."""
        os.makedirs(self.path, exist_ok=True)
        with lock_file(os.path.join(self.path, name)) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if told:
                    logger.info("%s: %s", self.path, told)
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def sweep(self) -> None:
        """Delete what was left half written, long ago, by who was killed."""
        for folder in (self.path, *glob.iglob(os.path.join(glob.escape(self.path), "blobs", "*"))):
            sweep(folder)

    @property
    def _index(self) -> str:
        return os.path.join(self.path, INDEX)

    def _blob(self, digest: Digest) -> str:
        return os.path.join(self.path, blob_path(digest))


def _read(path: str, most: int) -> bytes:
    with _open(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ImageInvalidError(f"{os.path.basename(path)} is longer than {most} bytes")
    return data


def _open(path: str) -> BufferedReader:
    """Open a regular file, not a link, a pipe or a folder that somebody left there."""
    descriptor = os.open(path, _READ)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ImageInvalidError(f"{os.path.basename(path)} is no file")
        return open(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
