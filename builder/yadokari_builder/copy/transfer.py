"""Files and folders, copied one source at a time.

The rules are those of BuildKit's file operations (tonistiigi/fsutil, package copy): folders merge, files
replace files and links, a file never replaces a folder nor a folder a file.
"""

import os
import posixpath
import stat
from dataclasses import dataclass, field

from yadokari_builder.copy.destination import Destination, is_missing_support
from yadokari_builder.dockerfile.chmod import ModeChange
from yadokari_builder.dockerfile.ignore import IgnorePatterns, Match
from yadokari_builder.errors import ContextError
from yadokari_builder.rootfs.content import copy_content
from yadokari_builder.rootfs.xattrs import copy_xattrs
from yadokari_builder.sources.tree import Owner, SourceTree, not_found

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for beside the files: whose they become, their modes, which of them are taken."""

    owner: Owner | None = None
    chmod: ModeChange | None = None
    include: IgnorePatterns | None = None
    exclude: IgnorePatterns | None = None

    @property
    def parents_mode(self) -> int:
        """The mode of folders made on the way to the destination."""
        return self.chmod.parents if self.chmod else 0o755


@dataclass(slots=True)
class _Folder:
    """A folder under way. With patterns it is `made` only when something in it is taken."""

    origin: str
    status: os.stat_result
    target: str
    is_top: bool = False
    is_taken: bool = True
    included: Match | None = None
    excluded: Match | None = None
    made: bool = False
    created: bool = False
    host: str = ""
    is_uniform: bool = False
    is_empty: bool = False


@dataclass(slots=True)
class Transfer:
    """Copies from a tree into a destination. `found` tells whether patterns to include matched anything."""

    source: SourceTree
    destination: Destination
    options: Options
    found: bool = False
    _folders: list[_Folder] = field(default_factory=list)
    _links: dict[tuple[int, int], str] = field(default_factory=dict)

    def copy(self, path: str, destination: str) -> None:
        """Copy a file, or what is in a folder, to an absolute path that may end in `/` or `/.`.

        A link at `path` is followed. Raises ContextError for what is missing or in the way.
        """
        parent, name = posixpath.split(destination)
        self._make_parents(self.destination.resolve(destination if name in ("", ".") else parent))
        target = self.destination.resolve(destination)
        origin = self.source.resolve(path)
        try:
            status = self.source.lstat(origin)
        except (FileNotFoundError, NotADirectoryError):
            raise not_found(self.source, path) from None
        self._links.clear()
        standing = self.destination.lstat(target)
        if stat.S_ISDIR(status.st_mode):
            self._make_parents(posixpath.dirname(target) if standing else target)
            self._copy_folder("", _Folder(origin, status, target, is_top=True))
            return
        if standing and stat.S_ISDIR(standing.st_mode):
            target = posixpath.join(target, posixpath.basename(path))
        self._make_parents(posixpath.dirname(target))
        self._copy_file(self.source.host(origin), status, target, self.destination.host(target), fresh=False)

    def _make_parents(self, path: str) -> None:
        self.destination.make_parents(path, self.options.parents_mode, self.options.owner)

    def _copy_folder(self, relative: str, folder: _Folder) -> None:
        if folder.is_taken:
            self._make_pending()
            self._make(folder)
        self._folders.append(folder)
        prefix = relative + "/" if relative else ""
        for entry in self.source.entries(folder.origin):
            self._copy_entry(prefix + entry.name, entry, folder)
        self._folders.pop()
        if folder.made:
            self._finish(folder)

    def _copy_entry(self, relative: str, entry: os.DirEntry[str], parent: _Folder) -> None:
        include, exclude = self.options.include, self.options.exclude
        included = include.match(relative, parent.included) if include else None
        excluded = exclude.match(relative, parent.excluded) if exclude else None
        is_excluded = excluded is not None and excluded.is_ignored
        taken = (included is None or included.is_ignored) and not is_excluded
        if entry.is_dir(follow_symlinks=False):
            if is_excluded and not (exclude and exclude.may_hold_exceptions(relative)):
                return
            origin, target = (posixpath.join(path, entry.name) for path in (parent.origin, parent.target))
            status = entry.stat(follow_symlinks=False)
            folder = _Folder(origin, status, target, is_taken=taken, included=included, excluded=excluded)
            self._copy_folder(relative, folder)
        elif taken:
            self._make_pending()
            self._copy_file_in(parent, entry)

    def _copy_file_in(self, parent: _Folder, entry: os.DirEntry[str]) -> None:
        target = posixpath.join(parent.target, entry.name)
        host = f"{parent.host}/{entry.name}" if parent.is_uniform else self.destination.host(target)
        status = entry.stat(follow_symlinks=False)
        self._copy_file(entry.path, status, target, host, fresh=parent.is_empty)

    def _make_pending(self) -> None:
        """Make the folders that patterns did not match, now that something in them is taken."""
        self.found = self.found or bool(self._folders)
        for folder in self._folders:
            if not folder.made:
                self._make(folder)

    def _make(self, folder: _Folder) -> None:
        standing = self.destination.lstat(folder.target)
        if standing and not stat.S_ISDIR(standing.st_mode):
            raise ContextError(f"cannot copy to non-directory: {folder.target}")
        folder.created = standing is None
        folder.host = self.destination.host(folder.target)
        folder.is_uniform = self.destination.is_uniform(folder.target)
        if folder.created:
            folder.is_empty = self.destination.make_directory(folder.target) and folder.is_uniform
        self.destination.touch(folder.target)
        folder.made = True

    def _finish(self, folder: _Folder) -> None:
        """Give a folder its metadata: last of all, since what is copied into it changes its times."""
        source, target = self.source.host(folder.origin), folder.host
        if folder.created or (folder.is_taken and not folder.is_top):
            self._own(target, folder.status)
            os.chmod(target, self._mode(folder.status))
            self._copy_xattrs(source, target)
        elif not folder.is_top:
            os.chmod(target, stat.S_IMODE(folder.status.st_mode))
            return
        os.utime(target, ns=_times(folder.status))

    def _copy_file(
        self, source: str, status: os.stat_result, target: str, target_host: str, *, fresh: bool
    ) -> None:
        if not fresh:
            self._clear(target)
        self.destination.touch(target)
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFLNK:
            self._copy_link(source, status, target_host)
        elif kind == stat.S_IFREG:
            self._copy_regular(source, status, target_host)
        else:
            self._copy_special(source, status, target_host)

    def _clear(self, target: str) -> None:
        standing = self.destination.lstat(target)
        if standing is None:
            self.destination.vacate(target)
        elif stat.S_ISDIR(standing.st_mode):
            raise ContextError(f"cannot replace to directory {target} with file")
        else:
            self.destination.remove(target)

    def _copy_regular(self, source: str, status: os.stat_result, target: str) -> None:
        if status.st_nlink > 1 and self._copy_hard_link(status, target):
            return
        from_file = os.open(source, _READ)
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

    def _copy_link(self, source: str, status: os.stat_result, target: str) -> None:
        os.symlink(os.readlink(source), target)
        self._own(target, status)
        self._copy_xattrs(source, target)
        os.utime(target, ns=_times(status), follow_symlinks=False)

    def _copy_special(self, source: str, status: os.stat_result, target: str) -> None:
        """Make a device or a fifo; a socket becomes an empty file, as in BuildKit."""
        if stat.S_ISSOCK(status.st_mode):
            os.close(os.open(target, _NEW, 0o600))
        else:
            os.mknod(target, stat.S_IFMT(status.st_mode) | 0o600, status.st_rdev)
        self._own(target, status)
        os.chmod(target, self._mode(status))
        self._copy_xattrs(source, target)
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
