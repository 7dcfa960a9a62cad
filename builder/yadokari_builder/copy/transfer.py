"""Files and folders, copied one source at a time.

The rules are those of BuildKit's file operations (tonistiigi/fsutil, package copy): folders merge, files
replace files and links, a file never replaces a folder nor a folder a file.
"""

import os
import posixpath
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

from yadokari_builder.copy.destination import Destination, is_missing_support
from yadokari_builder.dockerfile.chmod import ModeChange
from yadokari_builder.dockerfile.ignore import IgnorePatterns
from yadokari_builder.errors import ContextError
from yadokari_builder.rootfs.content import copy_content
from yadokari_builder.rootfs.xattrs import copy_xattrs
from yadokari_builder.sources.selection import Chosen, select
from yadokari_builder.sources.tree import Owner, SourceTree

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for beside the files: whose they become, their modes, which of them are left out."""

    owner: Owner | None = None
    chmod: ModeChange | None = None
    exclude: IgnorePatterns | None = None

    @property
    def parents_mode(self) -> int:
        """The mode of folders made on the way to the destination."""
        return self.chmod.parents if self.chmod else 0o755


@dataclass(slots=True)
class _Folder:
    """A folder that is copied, where it goes, and how it stands there: all its own, or merged.

    What is in it goes to paths that begin with `prefix`.
    """

    chosen: Chosen
    prefix: str
    host: str
    created: bool
    is_uniform: bool
    is_empty: bool


@dataclass(slots=True)
class Transfer:
    """Copies from a tree into a destination."""

    source: SourceTree
    destination: Destination
    options: Options
    _links: dict[tuple[int, int], str] = field(default_factory=dict)

    def copy(self, path: str, destination: str, include: IgnorePatterns | None = None) -> bool:
        """Copy a file, or what is in a folder, to an absolute path that may end in `/` or `/.`.

        A link at `path` is followed. `include` says what of a folder is taken. Tells whether anything was
        found in a folder. Raises ContextError for what is missing or in the way.
        """
        chosen = select(self.source, path, include=include, exclude=self.options.exclude)
        top = next(chosen)
        parent, name = posixpath.split(destination)
        self._make_parents(self.destination.resolve(destination if name in ("", ".") else parent))
        target = self.destination.resolve(destination)
        self._links.clear()
        standing = self.destination.lstat(target)
        if top.is_folder:
            self._make_parents(posixpath.dirname(target) if standing else target)
            return self._copy_folder(top, chosen, target)
        if standing and stat.S_ISDIR(standing.st_mode):
            target = posixpath.join(target, top.place)
        self._make_parents(posixpath.dirname(target))
        self._copy_file(top, target, self.destination.host(target), fresh=False)
        return False

    def _make_parents(self, path: str) -> None:
        self.destination.make_parents(path, self.options.parents_mode, self.options.owner)

    def _copy_folder(self, top: Chosen, below: Iterator[Chosen], target: str) -> bool:
        """Copy what is chosen of a folder; tells whether anything is."""
        # From the top down to the one that something is copied into.
        folders = [self._make(top, target)]
        is_empty = True
        for chosen in below:
            is_empty = False
            place, _, name = chosen.place.rpartition("/")
            while folders[-1].chosen.place != place:
                self._finish(folders.pop())
            parent = folders[-1]
            path = parent.prefix + name
            if chosen.is_folder:
                folders.append(self._make(chosen, path))
            else:
                host = f"{parent.host}/{name}" if parent.is_uniform else self.destination.host(path)
                self._copy_file(chosen, path, host, fresh=parent.is_empty)
        for folder in reversed(folders):
            self._finish(folder)
        return not is_empty

    def _make(self, chosen: Chosen, target: str) -> _Folder:
        standing = self.destination.lstat(target)
        if standing and not stat.S_ISDIR(standing.st_mode):
            raise ContextError(f"cannot copy to non-directory: {target}")
        is_uniform = self.destination.is_uniform(target)
        is_empty = standing is None and self.destination.make_directory(target) and is_uniform
        self.destination.touch(target)
        prefix, host = f"{target.rstrip('/')}/", self.destination.host(target)
        return _Folder(chosen, prefix, host, standing is None, is_uniform, is_empty)

    def _finish(self, folder: _Folder) -> None:
        """Give a folder its metadata: last of all, since what is copied into it changes its times."""
        status, is_top = folder.chosen.status, not folder.chosen.place
        if folder.created or (folder.chosen.is_taken and not is_top):
            self._own(folder.host, status)
            os.chmod(folder.host, self._mode(status))
            self._copy_xattrs(folder.chosen.host, folder.host)
        elif not is_top:
            os.chmod(folder.host, stat.S_IMODE(status.st_mode))
            return
        os.utime(folder.host, ns=_times(status))

    def _copy_file(self, chosen: Chosen, target: str, target_host: str, *, fresh: bool) -> None:
        if not fresh:
            self._clear(target)
        self.destination.touch(target)
        kind = stat.S_IFMT(chosen.status.st_mode)
        if kind == stat.S_IFLNK:
            self._copy_link(chosen, target_host)
        elif kind == stat.S_IFREG:
            self._copy_regular(chosen, target_host)
        else:
            self._copy_special(chosen, target_host)

    def _clear(self, target: str) -> None:
        standing = self.destination.lstat(target)
        if standing is None:
            self.destination.vacate(target)
        elif stat.S_ISDIR(standing.st_mode):
            raise ContextError(f"cannot replace to directory {target} with file")
        else:
            self.destination.remove(target)

    def _copy_regular(self, chosen: Chosen, target: str) -> None:
        status = chosen.status
        if status.st_nlink > 1 and self._copy_hard_link(status, target):
            return
        from_file = chosen.open()
        try:
            to_file = os.open(target, _NEW, 0o600)
            try:
                copy_content(from_file, to_file, status)
                os.fchown(to_file, *self._owner(status))
                os.fchmod(to_file, self._mode(status))
                self._copy_xattrs(from_file, to_file)
                os.utime(to_file, ns=_times(status))
            finally:
                os.close(to_file)
        finally:
            os.close(from_file)

    def _copy_hard_link(self, status: os.stat_result, target: str) -> bool:
        """Link to the copy of a file that was copied before under another name, if it was."""
        first = self._links.setdefault((status.st_dev, status.st_ino), target)
        if first == target:
            return False
        try:
            os.link(first, target, follow_symlinks=False)
        except OSError as error:
            if is_missing_support(error):
                return False
            raise
        return True

    def _copy_link(self, chosen: Chosen, target: str) -> None:
        os.symlink(chosen.target(), target)
        self._own(target, chosen.status)
        self._copy_xattrs(chosen.host, target)
        os.utime(target, ns=_times(chosen.status), follow_symlinks=False)

    def _copy_special(self, chosen: Chosen, target: str) -> None:
        """Make a device or a fifo; a socket becomes an empty file, as in BuildKit."""
        status = chosen.status
        if stat.S_ISSOCK(status.st_mode):
            os.close(os.open(target, _NEW, 0o600))
        else:
            os.mknod(target, stat.S_IFMT(status.st_mode) | 0o600, status.st_rdev)
        self._own(target, status)
        os.chmod(target, self._mode(status))
        self._copy_xattrs(chosen.host, target)
        os.utime(target, ns=_times(status))

    def _copy_xattrs(self, source: str | int, target: str | int) -> None:
        for name in copy_xattrs(source, target):
            self.destination.refuse(name)

    def _own(self, target: str, status: os.stat_result) -> None:
        os.chown(target, *self._owner(status), follow_symlinks=False)

    def _owner(self, status: os.stat_result) -> Owner:
        return self.options.owner or self.source.owner or (status.st_uid, status.st_gid)

    def _mode(self, status: os.stat_result) -> int:
        if self.options.chmod:
            return self.options.chmod.apply(status.st_mode)
        return stat.S_IMODE(status.st_mode)


def _times(status: os.stat_result) -> tuple[int, int]:
    return status.st_atime_ns, status.st_mtime_ns
