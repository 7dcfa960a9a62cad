"""What files are copied from: the build context, a stage, an image."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from yadokari_builder.dockerfile.ignore import IgnorePatterns, Match
from yadokari_builder.errors import ContextError
from yadokari_builder.rootfs.paths import follow, link_target, normalise, parents
from yadokari_builder.sources.seal import Seal

Owner = tuple[int, int]
ROOT_OWNER: Owner = (0, 0)

Entry = tuple[str, bool]
"""A name in a folder, and whether it is a folder's."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class SourceTree:
    """A tree as an instruction sees it: paths start at its root, links never lead out of it.

    What `ignored` matches is not there. `owner` is whom everything belongs to (uid, gid), None for whom it
    belongs to on disk. Where a `seal` tells that something has changed, looking at it raises `ContextError`.
    """

    def __init__(
        self,
        root: Path,
        *,
        ignored: IgnorePatterns | None = None,
        owner: Owner | None = None,
        seal: Seal | None = None,
    ) -> None:
        self.root = root
        self.owner = owner
        self._seal = seal
        self._prefix = str(root).rstrip("/")
        self._ignored = ignored if ignored and ignored.patterns else None
        self._matches: dict[str, Match] = {}
        self._shown: dict[str, bool] = {}

    def host(self, path: str) -> str:
        """Return where an in-tree path is for the operating system; the root itself is no link there."""
        return self._prefix + path

    def resolve(self, path: str) -> str:
        """Return where a path leads to, all links followed; raises ContextError if they lead in a circle."""
        try:
            return follow(normalise(path), self._read_link)
        except OSError as error:
            raise ContextError(f"{path}: {error.strerror}") from error

    def lstat(self, path: str) -> os.stat_result:
        """Return a file's status; raises FileNotFoundError for what is ignored, too."""
        status = os.lstat(self.host(path))
        if self._ignored and self._is_hidden(path, is_directory=stat.S_ISDIR(status.st_mode)):
            raise FileNotFoundError(path)
        # Of the root only what is in it counts.
        if self._seal and path != "/":
            self._seal.require(path, status)
        return status

    def stat_in(self, folder: int, path: str) -> os.stat_result:
        """Return the status of what is in an open folder, and not ignored; raises OSError."""
        status = os.stat(path[path.rindex("/") + 1 :], dir_fd=folder, follow_symlinks=False)
        if self._seal:
            self._seal.require(path, status)
        return status

    def hides(self, path: str) -> bool:
        """Tell whether a path would be there, were it not ignored."""
        return bool(self._ignored) and os.path.lexists(self.host(path))

    def open_folder(self, path: str) -> int:
        """Open a folder, for whoever has much to do with what is in it; raises OSError."""
        return os.open(self.host(path), _FOLDER)

    def entries(self, path: str, folder: int | None = None) -> list[Entry]:
        """List what is in a folder, by name; `folder` is its descriptor, if it is open."""
        place = self.host(path) if folder is None else folder
        if self._seal:
            self._seal.require(path, os.stat(place))
        with os.scandir(place) as scanned:
            found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in scanned)
        if not self._ignored:
            return found
        prefix = f"{path.rstrip('/')}/"
        return [entry for entry in found if not self._is_hidden(prefix + entry[0], is_directory=entry[1])]

    def _read_link(self, path: str) -> str | None:
        if self._seal:
            with suppress(FileNotFoundError, NotADirectoryError):
                self._seal.require(path, os.lstat(self.host(path)))
        target = link_target(self.host(path))
        if target is None or (self._ignored and self._is_hidden(path, is_directory=False)):
            return None
        return target

    def _is_hidden(self, path: str, *, is_directory: bool) -> bool:
        """Tell whether a path is ignored; a folder that is ignored stands while something in it does not."""
        if self._ignored is None or path == "/":
            return False
        if not self._match(self._ignored, path, keep=is_directory).is_ignored:
            return False
        return not (is_directory and self._holds_exceptions(self._ignored, path))

    def _holds_exceptions(self, ignored: IgnorePatterns, top: str) -> bool:
        """Tell whether something below an ignored folder is not ignored."""
        if top in self._shown:
            return self._shown[top]
        way = [top]
        entries = [self._candidates(ignored, top)]
        while way:
            entry = next(entries[-1], None)
            if entry is None:
                entries.pop()
                self._shown[way.pop()] = False
                continue
            path = f"{way[-1]}/{entry.name}"
            is_directory = entry.is_dir(follow_symlinks=False)
            if self._shown.get(path) or not self._match(ignored, path, keep=is_directory).is_ignored:
                self._shown.update(dict.fromkeys(way, True))
                return True
            if is_directory and path not in self._shown:
                way.append(path)
                entries.append(self._candidates(ignored, path))
        return False

    def _candidates(self, ignored: IgnorePatterns, folder: str) -> Iterator[os.DirEntry[str]]:
        """Return what in an ignored folder may not be ignored."""
        if not ignored.may_hold_exceptions(folder[1:]):
            return iter(())
        with os.scandir(self.host(folder)) as scanned:
            return iter([*scanned])

    def _match(self, ignored: IgnorePatterns, path: str, *, keep: bool) -> Match:
        """Match a path, with what is known of the folder that it is in."""
        known = self._matches.get(path)
        if known:
            return known
        above = self._matches.get(path.rpartition("/")[0])
        if above is None:
            folders = [folder for folder in parents(path) if folder != "/"]
            for folder in reversed(folders):
                above = self._matches.get(folder) or ignored.match(folder[1:], above)
                self._matches[folder] = above
        match = ignored.match(path[1:], above)
        if keep:
            self._matches[path] = match
        return match


def not_found(tree: SourceTree, path: str) -> ContextError:
    """Say that a source is not there, in BuildKit's words, and whether .dockerignore is why."""
    why = ": it is there, but .dockerignore leaves it out" if tree.hides(path) else ""
    return ContextError(f'failed to compute cache key: "{path}": not found{why}')
