"""Moving a file or a tree by renaming, and by copying where the kernel will not rename."""

import errno
import os
import shutil
import stat

from yadokari_builder.rootfs.tree import copy_metadata


def move(source: str, destination: str) -> list[str]:
    """Move what stands at `source` to `destination`, where nothing stands yet.

    Returns what was renamed, as paths relative to `source` ("" for itself). A directory that cannot be
    renamed, for it comes from a lower layer of an overlay or another filesystem, is made anew and its
    entries are moved one by one; hard links between filesystems become separate files. Raises `OSError`.
    """
    try:
        os.rename(source, destination)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    else:
        return [""]
    state = os.lstat(source)
    if not stat.S_ISDIR(state.st_mode):
        _copy(source, destination, state)
        os.unlink(source)
        return [""]
    return ["", *_move_directory(source, destination, state)]


def remove(path: str) -> None:
    """Remove a file or a tree, if there is one."""
    try:
        os.unlink(path)
    except IsADirectoryError:
        shutil.rmtree(path)
    except FileNotFoundError:
        return


def _move_directory(source: str, destination: str, state: os.stat_result) -> list[str]:
    moved = []
    os.mkdir(destination, 0o700)
    for name in sorted(os.listdir(source)):
        below = move(f"{source}/{name}", f"{destination}/{name}")
        moved += [f"/{name}{path}" for path in below]
    copy_metadata(source, destination)
    # Those of the source are what the moving made of them.
    os.utime(destination, ns=(state.st_atime_ns, state.st_mtime_ns))
    os.rmdir(source)
    return moved


def _copy(source: str, destination: str, state: os.stat_result) -> None:
    if stat.S_ISREG(state.st_mode):
        shutil.copyfile(source, destination)
    elif stat.S_ISLNK(state.st_mode):
        os.symlink(os.readlink(source), destination)
    else:
        os.mknod(destination, state.st_mode, state.st_rdev)
    copy_metadata(source, destination)
