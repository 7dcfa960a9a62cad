"""What a COPY takes from a tree, as values: for copying, and for whoever asks what a copy depends on."""

import os
import posixpath
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from yadokari_builder.dockerfile.ignore import IgnorePatterns, Match
from yadokari_builder.sources.tree import SourceTree, not_found


class Chosen(NamedTuple):
    """A file, folder or link that is taken; links are not followed.

    `path` is where it is in the tree, `host` where the operating system finds it, `status` what it is.
    `place` is where it goes below the destination: empty for a folder whose content alone is copied. A folder
    that is not `is_taken` for itself is there for what is taken in it.
    A tuple rather than a dataclass: a copy may have hundreds of thousands of files.
    """

    path: str
    place: str
    host: str
    status: os.stat_result
    is_taken: bool = True

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.status.st_mode)


def select(
    tree: SourceTree,
    path: str,
    *,
    include: IgnorePatterns | None = None,
    exclude: IgnorePatterns | None = None,
) -> Iterator[Chosen]:
    """Yield the file at an in-tree path; or the folder there, and what in it is taken.

    A link at `path` is followed. Folders come before what is in them, and in a folder all goes by name. The
    patterns are relative to the folder: `include` says what is taken, `exclude` what of that is not.

    Raises ContextError where nothing is at `path`.
    """
    origin = tree.resolve(path)
    try:
        status = tree.lstat(origin)
    except (FileNotFoundError, NotADirectoryError):
        raise not_found(tree, path) from None
    top = Chosen(origin, posixpath.basename(path), tree.host(origin), status)
    if top.is_folder:
        yield top._replace(place="")
        yield from _Walk(tree, include, exclude).below(origin)
    else:
        yield top


@dataclass(slots=True)
class _Level:
    """A folder on the way: what is in it, and what the patterns say of it.

    `path` and `place` end in a slash, but for an empty place. It is `waiting` until something in it is taken.
    """

    path: str
    place: str
    entries: Iterator[os.DirEntry[str]]
    included: Match | None = None
    excluded: Match | None = None
    waiting: Chosen | None = None


@dataclass(frozen=True, slots=True)
class _Walk:
    tree: SourceTree
    include: IgnorePatterns | None
    exclude: IgnorePatterns | None

    def below(self, origin: str) -> Iterator[Chosen]:
        """Yield what is taken below a folder."""
        levels = [_Level(f"{origin.rstrip('/')}/", "", iter(self.tree.entries(origin)))]
        while levels:
            level = levels[-1]
            entry = next(level.entries, None)
            if entry is None:
                levels.pop()
                continue
            place = level.place + entry.name
            included = self.include.match(place, level.included) if self.include else None
            excluded = self.exclude.match(place, level.excluded) if self.exclude else None
            is_excluded = excluded is not None and excluded.is_ignored
            is_taken = (included is None or included.is_ignored) and not is_excluded
            is_folder = entry.is_dir(follow_symlinks=False)
            if not is_taken and not (is_folder and self._may_hold(place, is_excluded=is_excluded)):
                continue
            path = level.path + entry.name
            chosen = Chosen(path, place, entry.path, entry.stat(follow_symlinks=False), is_taken)
            if is_taken:
                if level.waiting:
                    yield from _no_longer_waiting(levels)
                yield chosen
            if is_folder:
                entries = iter(self.tree.entries(path))
                waiting = None if is_taken else chosen
                levels.append(_Level(f"{path}/", f"{place}/", entries, included, excluded, waiting))

    def _may_hold(self, place: str, *, is_excluded: bool) -> bool:
        """Tell whether something may be taken in a folder that is not taken itself."""
        return not is_excluded or bool(self.exclude and self.exclude.may_hold_exceptions(place))


def _no_longer_waiting(levels: list[_Level]) -> Iterator[Chosen]:
    """Yield the folders that something is taken in now, from the top."""
    first = len(levels)
    while first and levels[first - 1].waiting:
        first -= 1
    for level in levels[first:]:
        if level.waiting:
            yield level.waiting
            level.waiting = None
