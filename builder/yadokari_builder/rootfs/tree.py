"""Whole trees: removed, cloned."""

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.content import copy_content
from yadokari_builder.rootfs.xattrs import read_xattrs, set_xattr

_STAYS = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY})
_NEW_DIRECTORY_MODE = 0o700
_OLD_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE_MODE = 0o600
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

Keep = Callable[[str], bool]


def clear(boundary: Boundary) -> None:
    """Remove everything from the root but what is excluded and the directories that lead there."""
    empty(boundary, "/")


def remove(boundary: Boundary, path: str, keep: Keep | None = None) -> bool:
    """Remove an in-root path and everything below it; tells whether it is gone.

    What is excluded stays, and so does what `keep` wants kept, each with its way there.
    """
    host = boundary.host(path)
    if boundary.is_excluded(path):
        return False
    if not stat.S_ISDIR(os.lstat(host).st_mode):
        if keep is not None and keep(path):
            return False
        os.unlink(host)
        return True
    empty(boundary, path, keep)
    return (keep is None or not keep(path)) and remove_if_empty(host)


def discard(path: str) -> None:
    """Remove a file or a tree of the host, if there is one."""
    try:
        os.unlink(path)
    except IsADirectoryError:
        clear(Boundary(Path(path)))
        os.rmdir(path)
    except FileNotFoundError:
        return


def empty(boundary: Boundary, path: str, keep: Keep | None = None) -> None:
    """Remove everything below an in-root directory, as `remove` does, however deep it is."""
    _Emptying(boundary, path, keep).run()


def copy_tree(source: str, destination: str) -> None:
    """Clone the tree below `source` into the existing directory `destination`.

    Owners, modes, times, extended attributes, hard links within the tree, holes and devices are kept; sockets
    are left out. Both are paths of the host; nothing excluded is looked for.
    """
    links: dict[tuple[int, int], str] = {}
    directories = [""]
    for directory in directories:
        with os.scandir(source + directory) as entries:
            for entry in entries:
                path = f"{directory}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    os.mkdir(destination + path, _NEW_DIRECTORY_MODE)
                    directories.append(path)
                    continue
                status = entry.stat(follow_symlinks=False)
                if not stat.S_ISSOCK(status.st_mode):
                    clone(source + path, destination + path, status, links)
    for directory in reversed(directories):
        # Not of a link that leads to where the copy begins.
        original = f"{source}{directory}/"
        copy_metadata(original, f"{destination}{directory}/", os.lstat(original))


def clone(source: str, destination: str, status: os.stat_result, links: dict[tuple[int, int], str]) -> None:
    """Make what is not a directory anew at a place where nothing stands; `status` is its own.

    `links` has the first clone of each file that has more names than one, by device and inode: what is cloned
    under another name is linked to it.
    """
    inode = status.st_dev, status.st_ino
    # The last name of a file that is moved name by name is its only one.
    first = links.setdefault(inode, destination) if status.st_nlink > 1 else links.get(inode, destination)
    if first != destination:
        os.link(first, destination, follow_symlinks=False)
        return
    if stat.S_ISREG(status.st_mode):
        _clone_file(source, destination, status)
        return
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(source), destination)
    else:
        os.mknod(destination, status.st_mode, status.st_rdev)
    copy_metadata(source, destination, status)


def copy_metadata(source: str | int, destination: str | int, status: os.stat_result) -> None:
    """Give `destination` the owner, mode and times of a status, and the extended attributes of `source`.

    They are paths, whose links are not followed, or open files.
    """
    is_open = isinstance(destination, int)
    os.chown(destination, status.st_uid, status.st_gid, follow_symlinks=is_open)
    if not stat.S_ISLNK(status.st_mode):
        for name, value in read_xattrs(source).items():
            set_xattr(destination, name, value)
        os.chmod(destination, stat.S_IMODE(status.st_mode))
    os.utime(destination, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=is_open)


def _clone_file(source: str, destination: str, status: os.stat_result) -> None:
    original = os.open(source, _OLD_FILE)
    try:
        copy = os.open(destination, _NEW_FILE, _NEW_FILE_MODE)
        try:
            copy_content(original, copy, status)
            copy_metadata(original, copy, status)
        finally:
            os.close(copy)
    finally:
        os.close(original)


def remove_if_empty(path: str, *, directory: int | None = None) -> bool:
    """Remove a directory of the host, or of an open one, that nothing is in; tells whether it is gone."""
    try:
        os.rmdir(path, dir_fd=directory)
    except OSError as error:
        if error.errno in _STAYS:
            return False
        raise
    return True


@dataclass(frozen=True, slots=True)
class _Level:
    """A directory that is being emptied: its name, and what in it is to be emptied yet.

    `is_watched` tells that not everything in it goes.
    """

    name: str
    identity: tuple[int, int]
    is_watched: bool
    pending: list[str]


class _Emptying:
    """Removes what is below a directory.

    Whoever may write to a root can make paths in it that are longer than the kernel takes. So this one goes
    from directory to directory, and has only one open at a time.
    """

    def __init__(self, boundary: Boundary, path: str, keep: Keep | None) -> None:
        self._boundary = boundary
        self._keep = keep
        self._top = "" if path == "/" else path
        self._levels: list[_Level] = []
        self._here = os.open(boundary.host(path), _DIRECTORY)

    def run(self) -> None:
        try:
            self._sweep("")
            while self._levels[-1].pending or len(self._levels) > 1:
                if self._levels[-1].pending:
                    name = self._levels[-1].pending.pop()
                    self._go_to(name)
                    self._sweep(name)
                else:
                    self._leave()
        finally:
            os.close(self._here)

    def _sweep(self, name: str) -> None:
        """Remove what is no directory from the one that is open, which is the last one's `name`."""
        is_watched = not self._levels or self._levels[-1].is_watched
        path = f"{self._path()}/{name}" if self._levels and is_watched else self._top
        is_watched &= self._keep is not None or self._boundary.has_excluded_below(path or "/")
        level = _Level(name, _identity(self._here), is_watched, [])
        self._levels.append(level)
        with os.scandir(self._here) as entries:
            for entry in entries:
                below = f"{path}/{entry.name}" if is_watched else ""
                if is_watched and below in self._boundary.excluded:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    level.pending.append(entry.name)
                elif self._keep is None or not self._keep(below):
                    os.unlink(entry.name, dir_fd=self._here)

    def _leave(self) -> None:
        """Go back to the directory above and remove the one that is empty now, if it is."""
        path = self._path() if self._keep else ""
        name = self._levels.pop().name
        self._go_to("..")
        if _identity(self._here) != self._levels[-1].identity:
            raise OSError(errno.ESTALE, "it was moved while it was emptied", name)
        if self._keep is None or not self._keep(path):
            remove_if_empty(name, directory=self._here)

    def _go_to(self, name: str) -> None:
        there = os.open(name, _DIRECTORY, dir_fd=self._here)
        os.close(self._here)
        self._here = there

    def _path(self) -> str:
        return self._top + "/".join(level.name for level in self._levels)


def _identity(directory: int) -> tuple[int, int]:
    status = os.fstat(directory)
    return status.st_dev, status.st_ino
