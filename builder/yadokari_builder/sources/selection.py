"""What a COPY takes from a tree, as values: for copying, and for whoever asks what a copy depends on."""

import os
import posixpath
import stat
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from yadokari_builder.dockerfile.ignore import IgnorePatterns, Match
from yadokari_builder.sources.tree import Entry, SourceTree, not_found

# A pipe that has come in the place of a file holds nobody up.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Chosen(NamedTuple):
    """A file, folder or link that is taken; links are not followed.

    `path` is where it is in the tree, whose own path for the operating system is `root`; `status` is what it
    is. `place` is where it goes below the destination: empty for a folder whose content alone is copied. A
    folder that is not `is_taken` for itself is there for what is taken in it. `folder` is a descriptor of the
    one that it is in, open until the walk goes on, None for a file that was asked for by itself.
    A tuple rather than a dataclass: a copy may have hundreds of thousands of files.
    """

    root: str
    path: str
    place: str
    status: os.stat_result
    folder: int | None = None
    is_taken: bool = True

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def host(self) -> str:
        """Where the operating system finds it."""
        return self.root + self.path

    def open(self) -> int:
        """Open a file for reading, before the walk goes on; raises OSError."""
        return os.open(self._name, _READ, dir_fd=self.folder)

    def target(self) -> str:
        """Return where a link leads to, before the walk goes on; raises OSError."""
        return os.readlink(self._name, dir_fd=self.folder)

    @property
    def _name(self) -> str:
        return self.host if self.folder is None else self.path[self.path.rindex("/") + 1 :]


def select(
    tree: SourceTree,
    path: str,
    *,
    include: IgnorePatterns | None = None,
    exclude: IgnorePatterns | None = None,
) -> Generator[Chosen, None, None]:
    """Yield the file at an in-tree path; or the folder there, and what in it is taken.

    A link at `path` is followed. Folders come before what is in them, and in a folder all goes by name. The
    patterns are relative to the folder: `include` says what is taken, `exclude` what of that is not.

    Raises ContextError where nothing is at `path`.
    """
    found = tree.resolve(path)
    try:
        status = tree.lstat(found)
    except (FileNotFoundError, NotADirectoryError):
        raise not_found(tree, path) from None
    top = Chosen(tree.host("/")[:-1], found, posixpath.basename(path), status)
    if top.is_folder:
        yield top._replace(place="")
        yield from _Walk(tree, top.root, include, exclude).below(found)
    else:
        yield top


@dataclass(slots=True)
class _Level:
    """A folder on the way: what is in it, and what the patterns say of it.

    `prefix` and `place` end in a slash, but for an empty place. It is `waiting` until something in it is
    taken.
    """

    path: str
    place: str
    entries: Iterator[Entry]
    included: Match | None = None
    excluded: Match | None = None
    waiting: Chosen | None = None
    prefix: str = field(init=False)

    def __post_init__(self) -> None:
        self.prefix = f"{self.path.rstrip('/')}/"


@dataclass(frozen=True, slots=True)
class _Walk:
    tree: SourceTree
    root: str
    include: IgnorePatterns | None
    exclude: IgnorePatterns | None

    def below(self, found: str) -> Iterator[Chosen]:
        """Yield what is taken below a folder. The one that it is in at a time is open, and no other."""
        folder: int | None = self.tree.open_folder(found)
        try:
            levels = [_Level(found, "", iter(self.tree.entries(found, folder)))]
            while levels:
                level = levels[-1]
                entry = next(level.entries, None)
                if entry is None:
                    levels.pop()
                    _close(folder)
                    folder = None
                    continue
                name, is_folder = entry
                place = level.place + name
                included = self.include.match(place, level.included) if self.include else None
                excluded = self.exclude.match(place, level.excluded) if self.exclude else None
                is_excluded = excluded is not None and excluded.is_ignored
                is_taken = (included is None or included.is_ignored) and not is_excluded
                if not is_taken and not (is_folder and self._may_hold(place, is_excluded=is_excluded)):
                    continue
                if folder is None:
                    folder = self.tree.open_folder(level.path)
                status = self.tree.stat_in(folder, path := level.prefix + name)
                chosen = Chosen(self.root, path, place, status, folder, is_taken)
                if is_taken:
                    if level.waiting:
                        yield from _no_longer_waiting(levels)
                    yield chosen
                if is_folder:
                    _close(folder)
                    folder = self.tree.open_folder(chosen.path)
                    entries = iter(self.tree.entries(chosen.path, folder))
                    waiting = None if is_taken else chosen
                    levels.append(_Level(chosen.path, f"{place}/", entries, included, excluded, waiting))
        finally:
            _close(folder)

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


def _close(folder: int | None) -> None:
    if folder is not None:
        os.close(folder)
