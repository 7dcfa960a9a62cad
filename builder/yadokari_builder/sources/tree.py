"""What files are copied from: the build context, a stage, an image."""

import os
import posixpath
import stat
from collections.abc import Iterator
from pathlib import Path

from yadokari_builder.dockerfile.ignore import IgnorePatterns, Match
from yadokari_builder.errors import ContextError, described
from yadokari_builder.rootfs.paths import follow, link_target, normalise

Owner = tuple[int, int]
ROOT_OWNER: Owner = (0, 0)


class SourceTree:
    """A tree as an instruction sees it: paths start at its root, links never lead out of it.

    What `ignored` matches is not there. `owner` is whom everything belongs to (uid, gid), None for whom it
    belongs to on disk.
    """

    def __init__(
        self, root: Path, *, ignored: IgnorePatterns | None = None, owner: Owner | None = None
    ) -> None:
        self.root = root
        self.owner = owner
        self._prefix = str(root).rstrip("/")
        self._ignored = ignored if ignored and ignored.patterns else None
        self._matches: dict[str, Match] = {}
        self._shown: dict[str, bool] = {}

    def host(self, path: str) -> str:
        """Return where an in-tree path is for the operating system."""
        return self._prefix + path if path != "/" else self._prefix or "/"

    def resolve(self, path: str) -> str:
        """Return where a path leads to, all links followed; raises ContextError if they lead in a circle."""
        try:
            return follow(normalise(path), self._read_link)
        except OSError as error:
            raise ContextError(described(error)) from error

    def lstat(self, path: str) -> os.stat_result:
        """Return a file's status; raises FileNotFoundError for what is ignored, too."""
        status = os.lstat(self.host(path))
        if self._ignored and self._is_hidden(path, is_directory=stat.S_ISDIR(status.st_mode)):
            raise FileNotFoundError(path)
        return status

    def hides(self, path: str) -> bool:
        """Tell whether a path would be there, were it not ignored."""
        return bool(self._ignored) and os.path.lexists(self.host(path))

    def entries(self, path: str) -> list[os.DirEntry[str]]:
        """List what is in a folder, by name."""
        with os.scandir(self.host(path)) as scanned:
            found = sorted(scanned, key=lambda entry: entry.name)
        if not self._ignored:
            return found
        return [
            entry
            for entry in found
            if not self._is_hidden(
                posixpath.join(path, entry.name), is_directory=entry.is_dir(follow_symlinks=False)
            )
        ]

    def walk(self, path: str, depth: int | None) -> "Walk":
        """Go through everything below a folder, `depth` levels down (None: all)."""
        return Walk(self, path, depth)

    def _read_link(self, path: str) -> str | None:
        target = link_target(self.host(path))
        if target is None or (self._ignored and self._is_hidden(path, is_directory=False)):
            return None
        return target

    def _is_hidden(self, path: str, *, is_directory: bool) -> bool:
        """Tell whether a path is ignored; a folder that is ignored stands while something in it does not."""
        ignored = self._ignored
        if ignored is None or path == "/":
            return False
        if not self._match(ignored, path, keep=is_directory).is_ignored:
            return False
        if not is_directory or not ignored.may_hold_exceptions(path[1:]):
            return True
        shown = self._shown.get(path)
        if shown is None:
            shown = self._shown[path] = bool(self.entries(path))
        return not shown

    def _match(self, ignored: IgnorePatterns, path: str, *, keep: bool) -> Match:
        """Match a path, with what is known of the folder that it is in."""
        known = self._matches.get(path)
        if known:
            return known
        parent = posixpath.dirname(path)
        above = None if parent == "/" else self._match(ignored, parent, keep=True)
        match = ignored.match(path[1:], above)
        if keep:
            self._matches[path] = match
        return match


class Walk:
    """Paths below a folder, each before what is in it, by name; `prune` leaves out the last one's inside."""

    def __init__(self, tree: SourceTree, path: str, depth: int | None) -> None:
        self._tree = tree
        self._top = path
        self._depth = depth
        self._pruned = False

    def __iter__(self) -> Iterator[str]:
        """Yield in-tree paths."""
        return self._below(self._top, self._depth)

    def prune(self) -> None:
        """Do not go into the path that was yielded last."""
        self._pruned = True

    def _below(self, folder: str, depth: int | None) -> Iterator[str]:
        if depth == 0:
            return
        for entry in self._tree.entries(folder):
            path = posixpath.join(folder, entry.name)
            self._pruned = False
            yield path
            if not self._pruned and entry.is_dir(follow_symlinks=False):
                yield from self._below(path, None if depth is None else depth - 1)


def not_found(tree: SourceTree, path: str) -> ContextError:
    """Say that a source is not there, in BuildKit's words, and whether .dockerignore is why."""
    why = ": it is there, but .dockerignore leaves it out" if tree.hides(path) else ""
    return ContextError(f'failed to compute cache key: "{path}": not found{why}')
