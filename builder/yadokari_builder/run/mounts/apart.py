"""Hard links that lead out of a folder: without privilege a mount is no mount, so nothing forbids them."""

import errno
import os
from collections import defaultdict
from collections.abc import Iterator
from tempfile import TemporaryDirectory

from yadokari_builder.rootfs.tree import clone


def separate(folder: str) -> None:
    """Give the files below a folder that have names outside of it, too, content of their own.

    Those outside stay the files that they are. Names inside of one file go on being its names.
    """
    names: dict[tuple[int, int], list[str]] = defaultdict(list)
    shared: dict[tuple[int, int], os.stat_result] = {}
    for path, status in _linked(folder):
        inode = status.st_dev, status.st_ino
        names[inode].append(path)
        shared[inode] = status
    outside = [inode for inode, status in shared.items() if status.st_nlink > len(names[inode])]
    if outside:
        with TemporaryDirectory(dir=os.path.dirname(folder)) as spare:
            for inode in outside:
                _replace(names[inode], shared[inode], f"{spare}/copy")


def _replace(names: list[str], status: os.stat_result, spare: str) -> None:
    first, *others = names
    clone(first, spare, status, {})
    os.rename(spare, first)
    for other in others:
        os.unlink(other)
        os.link(first, other, follow_symlinks=False)


def _linked(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the files that have more names than one, but for those in paths too long to be opened."""
    ahead = [folder]
    for each in ahead:
        try:
            with os.scandir(each) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        ahead.append(entry.path)
                    elif (status := entry.stat(follow_symlinks=False)).st_nlink > 1:
                        yield entry.path, status
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
