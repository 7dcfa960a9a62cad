"""Moving files and trees: by renaming, and by taking apart and copying what the kernel will not rename."""

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.paths import parents
from yadokari_builder.rootfs.tree import clear, clone, copy_metadata

_NEW_DIRECTORY_MODE = 0o700


def move(source: str, destination: str) -> list[str]:
    """Move what stands at `source` to `destination`, where nothing stands yet; both are paths of the host.

    Returns what was moved, as paths relative to `source` ("" for itself, and nothing else if it could be
    renamed). A directory that cannot be renamed, for it comes from a lower layer of an overlay or another
    file system, is made anew and its entries are moved one by one. Raises `OSError`.
    """
    relocation = _Relocation(Boundary(Path(source)), destination)
    relocation.run([""])
    return relocation.moved


def move_contents(boundary: Boundary, destination: str) -> None:
    """Move everything of the root that is not excluded to below a directory of the host, which is empty.

    It must itself be excluded. Directories that hold something excluded stay, their likes are made at the
    destination.
    """
    _Relocation(boundary, destination).run(_entries(boundary, ""))


def move_parts(boundary: Boundary, paths: Iterable[str], destination: str) -> None:
    """Move what stands at some in-root paths to the same places below a directory of the host.

    What is not there is left out. The directories above are made, with nothing of their own.
    """
    wanted = set(paths)
    chosen = [path for path in sorted(wanted) if wanted.isdisjoint(parents(path))]
    there = [path for path in chosen if os.path.lexists(boundary.prefix + path)]
    for path in there:
        os.makedirs(os.path.dirname(destination + path), exist_ok=True)
    _Relocation(boundary, destination).run(there)


def restore_contents(boundary: Boundary, source: str) -> None:
    """Move everything below a directory of the host to the same place below the root.

    The reverse of `move_contents`: `source` must be excluded, and it is empty afterwards. The root holds
    nothing but what is excluded and the directories that lead there, which get the metadata of their likes;
    what would land on something excluded is deleted.
    """
    moved = Boundary(Path(source), boundary.excluded)
    _Relocation(moved, boundary.prefix, replaces_metadata=True).run(_entries(moved, ""))
    clear(Boundary(Path(source)))


def merge(source: str, destination: str) -> None:
    """Move what is below a directory of the host into another one; directories that both have merge."""
    moved = Boundary(Path(source))
    _Relocation(moved, destination).run(_entries(moved, ""))


class _Relocation:
    """What of the tree of a boundary goes to the same places below `destination`, a path of the host.

    A directory that is there already takes in what its like holds, and with `replaces_metadata` becomes like
    it. Where something excluded lies below, or the kernel does not rename, a directory is taken apart.
    """

    def __init__(self, boundary: Boundary, destination: str, *, replaces_metadata: bool = False) -> None:
        self._boundary = boundary
        self._destination = destination
        self._replaces_metadata = replaces_metadata
        self._links: dict[tuple[int, int], str] = {}
        self.moved: list[str] = []

    def run(self, paths: list[str]) -> None:
        """Move what stands at in-root paths ("" for the root), each with everything below it."""
        taken_apart = []
        for path in paths:
            if path in self._boundary.excluded or self._is_renamed(path):
                continue
            status = os.lstat(self._boundary.prefix + path)
            self.moved.append(path)
            if stat.S_ISDIR(status.st_mode):
                taken_apart.append((path, status, self._make(path)))
                paths += _entries(self._boundary, path)
            else:
                clone(self._boundary.prefix + path, self._destination + path, status, self._links)
                os.unlink(self._boundary.prefix + path)
        for path, status, is_new in reversed(taken_apart):
            source = self._boundary.prefix + path
            if is_new or self._replaces_metadata:
                copy_metadata(source, self._destination + path, status)
            if not self._boundary.has_excluded_below(path):
                os.rmdir(source)

    def _is_renamed(self, path: str) -> bool:
        """Rename what stands at a path; tells whether that was possible."""
        source, destination = self._boundary.prefix + path, self._destination + path
        if self._boundary.has_excluded_below(path) or (_is_directory(destination) and _is_directory(source)):
            return False
        try:
            os.rename(source, destination)
        except OSError as error:
            if error.errno == errno.EXDEV:
                return False
            raise
        self.moved.append(path)
        return True

    def _make(self, path: str) -> bool:
        """Make a directory; tells whether there was none."""
        try:
            os.mkdir(self._destination + path, _NEW_DIRECTORY_MODE)
        except FileExistsError:
            return False
        return True


def _is_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _entries(boundary: Boundary, path: str) -> list[str]:
    return [f"{path}/{name}" for name in sorted(os.listdir(boundary.prefix + path or "/"))]
