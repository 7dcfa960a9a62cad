"""A stage's files where they stand: in a container's root, beside what is mounted there."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress

from yadokari_builder.dockerfile.filepath_match import split_wildcards
from yadokari_builder.errors import ContextError
from yadokari_builder.plan.lodge import Taken
from yadokari_builder.rootfs import relocate
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.sources.tree import Entry, SourceTree
from yadokari_builder.sources.wildcards import find


class HiddenError(Exception):
    """What a stage has at an in-tree path cannot be told from what the container has there."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class StandingTree(SourceTree):
    """The tree of a root that is within a boundary; `strangers` are folders that are not the stage's.

    What leads to anything else raises `HiddenError`.
    """

    def __init__(self, boundary: Boundary, strangers: Iterable[str]) -> None:
        super().__init__(boundary.root)
        self.boundary = boundary
        self.links: set[str] = set()
        """The links that paths have led over."""
        self._strangers = frozenset(strangers)

    def lstat(self, path: str) -> os.stat_result:
        """Return a file's status."""
        self._require(path)
        return super().lstat(path)

    def entries(self, path: str, folder: int | None = None) -> list[Entry]:
        """List what is in a folder, which must not lead to anything of the container's."""
        self._require(path)
        if self.boundary.has_excluded_below(path):
            raise HiddenError(path)
        return super().entries(path, folder)

    def open_folder(self, path: str) -> int:
        """Open a folder."""
        self._require(path)
        return super().open_folder(path)

    def _read_link(self, path: str) -> str | None:
        self._require(path)
        target = super()._read_link(path)
        if target is not None:
            self.links.add(path)
        return target

    def _require(self, path: str) -> None:
        if path in self._strangers or self.boundary.is_excluded(path):
            raise HiddenError(path)


def hides(boundary: Boundary, wanted: Taken) -> bool:
    """Tell whether what is taken is, or may hold, what the container has for itself, links left aside."""
    path = split_wildcards(wanted.path)[0] if wanted.has_wildcards else wanted.path
    return boundary.is_excluded(path) or boundary.has_excluded_below(path)


def set_aside(tree: StandingTree, taken: Iterable[Taken], destination: str) -> None:
    """Move what is taken, with the links that lead there, to the same places below a folder of the host."""
    places: set[str] = set()
    for wanted in taken:
        # What is wrong with a path is to be said of the step that takes it.
        with suppress(ContextError):
            places.update(_places(tree, wanted))
    for place in places:
        if tree.boundary.has_excluded_below(place):
            raise HiddenError(place)
    relocate.move_parts(tree.boundary, {*places, *tree.links}, destination)


def _places(tree: StandingTree, wanted: Taken) -> Iterator[str]:
    """Yield where what is taken stands; the folder itself if nothing in it matches."""
    if not wanted.has_wildcards:
        yield tree.resolve(wanted.path)
        return
    folder = tree.resolve(split_wildcards(wanted.path)[0])
    for path in find(tree, wanted.path) or [folder]:
        yield tree.resolve(path)
