"""Files moved out of the way of a build, which deletes what it finds in its root."""

import errno
import os
import posixpath
import shutil
import stat

from yadokari_builder.rootfs.paths import parents


def move_entries(folder: str, in_root: str, target: str, excluded: frozenset[str]) -> None:
    """Move what is in a folder into the folder `target`, but for what is excluded.

    `in_root` is the folder's in-root path, `excluded` holds in-root paths. Folders that hold something
    excluded stay, what else they hold is moved.
    """
    above = {parent for path in excluded for parent in parents(path)}
    _move_entries(folder, in_root, target, excluded, above)


def _move_entries(folder: str, in_root: str, target: str, excluded: frozenset[str], above: set[str]) -> None:
    for name in sorted(os.listdir(folder)):
        path = posixpath.join(in_root, name)
        source, destination = os.path.join(folder, name), os.path.join(target, name)
        if path in excluded:
            continue
        if path in above and not os.path.islink(source):
            _make_alike(source, destination)
            _move_entries(source, path, destination, excluded, above)
            if not os.listdir(destination):
                os.rmdir(destination)
        else:
            relocate(source, destination)


def relocate(source: str, target: str) -> None:
    """Move a file or folder to a place where nothing is, on the same file system.

    Folders of the container's image cannot be renamed (they are on a lower layer of an overlay): they are
    made anew and what they hold is moved.
    """
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV or os.path.islink(source) or not os.path.isdir(source):
            raise
        _make_alike(source, target)
        for name in os.listdir(source):
            relocate(os.path.join(source, name), os.path.join(target, name))
        shutil.copystat(source, target)
        os.rmdir(source)


def _make_alike(source: str, target: str) -> None:
    status = os.stat(source)
    os.mkdir(target)
    os.chown(target, status.st_uid, status.st_gid)
    os.chmod(target, stat.S_IMODE(status.st_mode))
