"""Where files are copied to: the image's root, seen without what in it is the executor's own."""

import errno
import os
import posixpath
import stat
from dataclasses import dataclass
from pathlib import Path

from yadokari_builder.errors import ContextError
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.paths import follow, link_target, normalise, parents
from yadokari_builder.rootfs.tree import remove
from yadokari_builder.rootfs.xattrs import list_xattrs
from yadokari_builder.sources.tree import ROOT_OWNER, Owner

_MOST_REFUSED = 100


@dataclass(frozen=True, slots=True)
class Staged:
    """A file of the layer that must not be in the running root: `file` is where it is instead."""

    path: str
    file: Path


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: in-root paths in the root, and files of the layer that stand elsewhere; both sorted.

    Folders that stood there before are among them only if their metadata changed.
    """

    paths: tuple[str, ...]
    staged: tuple[Staged, ...] = ()


class Destination:
    """A root that is written to, and a record of what was written.

    Paths are in-root, links in them followed already (`resolve`). What lies outside of the boundary is
    written below the folder `staging`, at the same path: there the image's view of it is kept, so one staging
    folder goes with a stage from its first step to its last.

    `refused` names extended attributes that its file system did not take, the first hundred of them.

    A `detached` destination is empty to begin with, as for --link: links that stand in the root are not
    followed but replaced, and so is the metadata of folders.
    """

    def __init__(self, boundary: Boundary, staging: Path, *, detached: bool = False) -> None:
        self._boundary = boundary
        self._staging = str(staging)
        self._detached = detached
        self._touched: dict[str, None] = {}
        self.refused: dict[str, None] = {}

    def host(self, path: str) -> str:
        """Return where an in-root path is for the operating system."""
        if self._boundary.is_excluded(path):
            return self._staging + path
        return self._boundary.host(path)

    def is_uniform(self, folder: str) -> bool:
        """Tell whether everything in a folder is where the folder is, in the root or staged."""
        return not self._boundary.has_excluded_below(folder) or self._boundary.is_excluded(folder)

    def resolve(self, path: str) -> str:
        """Return where a path leads to, all links followed; raises ContextError if they lead in a circle."""
        try:
            return follow(normalise(path), self.read_link)
        except OSError as error:
            raise ContextError(f"{path}: {error.strerror}") from error

    def read_link(self, path: str) -> str | None:
        """Return what a link says, None where there is no link."""
        return link_target(self.host(path)) if self._is_seen(path) else None

    def lstat(self, path: str) -> os.stat_result | None:
        """Return a file's status, None where nothing is."""
        if not self._is_seen(path):
            return None
        try:
            return os.lstat(self.host(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def make_parents(self, path: str, mode: int = 0o755, owner: Owner | None = None) -> None:
        """Make a folder and the folders above it, where they are missing.

        Raises ContextError where something else stands in the way.
        """
        missing = []
        for folder in (path, *parents(path)):
            if status := self.lstat(folder):
                if not stat.S_ISDIR(status.st_mode):
                    raise ContextError(f"mkdir {folder}: not a directory")
                break
            missing.append(folder)
        for folder in reversed(missing):
            self.make_directory(folder)
            host = self.host(folder)
            os.chown(host, *(owner or ROOT_OWNER))
            os.chmod(host, mode)

    def make_directory(self, path: str) -> bool:
        """Make a folder whose parent is there; tell whether none stood there (or stands there unseen).

        One that stands there unseen loses what nobody can have seen of it: its attributes and its time.
        """
        host = self.vacate(path, keep_directory=True)
        try:
            os.mkdir(host, 0o700)
        except FileExistsError:
            if self._detached:
                for name in list_xattrs(host):
                    os.removexattr(host, name)
                os.utime(host)
            return False
        finally:
            self.touch(path)
        return True

    def vacate(self, path: str, *, keep_directory: bool = False) -> str:
        """Make sure that nothing unseen is in a place; return where it is for the operating system."""
        host = self.host(path)
        if self._boundary.is_excluded(path):
            # What is above an excluded path may be in the root, and then is missing in the staging folder.
            os.makedirs(posixpath.dirname(host), exist_ok=True)
        if self._detached and path not in self._touched and os.path.lexists(host):
            is_directory = stat.S_ISDIR(os.lstat(host).st_mode)
            if not (keep_directory and is_directory):
                self.remove(path)
        return host

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with everything in it."""
        if not self.is_uniform(path):
            raise ContextError(f"{path} cannot be replaced: something mounted below it would be lost")
        is_staged = self._boundary.is_excluded(path)
        remove(Boundary(Path(self._staging)) if is_staged else self._boundary, path, self._forget)

    def refuse(self, attribute: str) -> None:
        """Record that the file system did not take an attribute."""
        if len(self.refused) < _MOST_REFUSED:
            self.refused[attribute] = None

    def touch(self, path: str) -> None:
        """Record that a path was written."""
        self._touched[path] = None

    def written(self) -> Written:
        """Return what was written until now."""
        paths, staged = [], []
        for path in sorted(self._touched):
            if self._boundary.is_excluded(path):
                staged.append(Staged(path, Path(self._staging + path)))
            else:
                paths.append(path)
        return Written(tuple(paths), tuple(staged))

    def _forget(self, path: str) -> bool:
        """Let go of a path that is removed, which is not kept."""
        self._touched.pop(path, None)
        return False

    def _is_seen(self, path: str) -> bool:
        return not self._detached or path == "/" or path in self._touched


def is_missing_support(error: OSError) -> bool:
    """Tell whether the kernel cannot link two files, so that a copy must do."""
    return error.errno in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP)
