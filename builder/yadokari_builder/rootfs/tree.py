"""Whole trees: removed, moved aside, cloned."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.content import copy_content
from yadokari_builder.rootfs.xattrs import read_xattrs, set_xattr

_STAYS = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY})
_NEW_DIRECTORY_MODE = 0o700

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


def empty(boundary: Boundary, path: str, keep: Keep | None = None) -> None:
    """Remove everything below an in-root directory, as `remove` does."""
    prefix = boundary.prefix
    directories = ["" if path == "/" else path]
    for directory in directories:
        with os.scandir(prefix + directory or "/") as entries:
            for entry in entries:
                below = f"{directory}/{entry.name}"
                if below in boundary.excluded:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    directories.append(below)
                elif keep is None or not keep(below):
                    os.unlink(prefix + below)
    for directory in reversed(directories[1:]):
        if keep is None or not keep(directory):
            remove_if_empty(prefix + directory)


def move_contents(boundary: Boundary, destination: str) -> None:
    """Move everything of the root that is not excluded to below the in-root directory `destination`.

    `destination` must itself be excluded, on the same file system, and empty. Directories that hold something
    excluded stay, their likes are made at the destination.
    """
    target = boundary.host(destination)
    pending = [""]
    made: list[tuple[str, os.stat_result]] = []
    for directory in pending:
        for name in sorted(os.listdir(boundary.prefix + directory or "/")):
            path = f"{directory}/{name}"
            if path in boundary.excluded:
                continue
            if boundary.has_excluded_below(path) or not _renamed(boundary.prefix + path, target + path):
                os.mkdir(target + path, _NEW_DIRECTORY_MODE)
                made.append((path, os.lstat(boundary.prefix + path)))
                pending.append(path)
    for path, status in reversed(made):
        source = boundary.prefix + path
        copy_metadata(source, target + path, status)
        if not boundary.has_excluded_below(path):
            os.rmdir(source)


def restore_contents(boundary: Boundary, source: str) -> None:
    """Move everything below the in-root directory `source` to the same place below the root.

    The reverse of `move_contents`: `source` must be excluded and on the same file system, and it is empty
    afterwards. The root holds nothing but what is excluded and the directories that lead there, which get the
    metadata of their likes; what would land on something excluded is deleted.
    """
    origin = boundary.host(source)
    pending = [""]
    for directory in pending:
        for name in sorted(os.listdir(origin + directory)):
            path = f"{directory}/{name}"
            is_directory = stat.S_ISDIR(os.lstat(origin + path).st_mode)
            if is_directory and boundary.has_excluded_below(path):
                pending.append(path)
            elif path in boundary.excluded:
                remove(Boundary(Path(origin)), path)
            else:
                os.rename(origin + path, boundary.host(path))
    for path in reversed(pending[1:]):
        copy_metadata(origin + path, boundary.host(path))
        os.rmdir(origin + path)


def merge(source: str, destination: str) -> None:
    """Move what is below a directory of the host into another one; directories that both have merge."""
    for name in os.listdir(source):
        origin, target = f"{source}/{name}", f"{destination}/{name}"
        if _is_directory(origin) and _is_directory(target):
            merge(origin, target)
            os.rmdir(origin)
        else:
            os.rename(origin, target)


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
                else:
                    _clone(source + path, destination + path, links)
    for directory in reversed(directories):
        copy_metadata(source + directory, destination + directory)


def copy_metadata(source: str, destination: str, status: os.stat_result | None = None) -> None:
    """Give `destination` the owner, mode, extended attributes and times of `source`; links themselves.

    `status` is what `source` was before, if it has changed since.
    """
    status = status or os.lstat(source)
    os.chown(destination, status.st_uid, status.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        for name, value in read_xattrs(source).items():
            set_xattr(destination, name, value)
        os.chmod(destination, stat.S_IMODE(status.st_mode))
    os.utime(destination, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def _is_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _clone(source: str, destination: str, links: dict[tuple[int, int], str]) -> None:
    status = os.lstat(source)
    if stat.S_ISSOCK(status.st_mode):
        return
    if status.st_nlink > 1:
        first = links.setdefault((status.st_dev, status.st_ino), destination)
        if first != destination:
            os.link(first, destination, follow_symlinks=False)
            return
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(source), destination)
    elif stat.S_ISREG(status.st_mode):
        _copy_file(source, destination, status)
    else:
        os.mknod(destination, status.st_mode, status.st_rdev)
    copy_metadata(source, destination)


def _copy_file(source: str, destination: str, status: os.stat_result) -> None:
    with open(source, "rb", buffering=0) as original, open(destination, "xb", buffering=0) as copy:
        copy_content(original.fileno(), copy.fileno(), status)


def _renamed(source: str, destination: str) -> bool:
    """Rename, or tell that a directory must be taken apart: on overlay a lower one cannot be renamed."""
    try:
        os.rename(source, destination)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        if stat.S_ISDIR(os.lstat(source).st_mode):
            return False
        _clone(source, destination, {})
        os.unlink(source)
    return True


def remove_if_empty(path: str) -> bool:
    """Remove a directory of the host that nothing is in; tells whether it is gone."""
    try:
        os.rmdir(path)
    except OSError as error:
        if error.errno in _STAYS:
            return False
        raise
    return True
