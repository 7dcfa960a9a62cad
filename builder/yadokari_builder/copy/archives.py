"""Archives that ADD unpacks: known by their content, not by their name."""

import os
import posixpath
import stat
from dataclasses import dataclass, field
from pathlib import Path

from yadokari_builder.copy.destination import Destination
from yadokari_builder.errors import ContextError, ImageInvalidError
from yadokari_builder.layers.allowance import Allowance
from yadokari_builder.layers.compression import decompress
from yadokari_builder.layers.streams import Readable
from yadokari_builder.layers.tar_member import BLOCK, NODE_TYPES, Kind, Member, shown
from yadokari_builder.layers.tar_reader import TarReader
from yadokari_builder.rootfs.paths import follow, normalise
from yadokari_builder.rootfs.xattrs import set_xattr
from yadokari_builder.sources.tree import Owner

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def is_archive(file: str) -> bool:
    """Tell whether a file is a tar archive with at least one member, compressed or not."""
    if not stat.S_ISREG(os.lstat(file).st_mode):
        return False
    with open(file, "rb", buffering=0) as stream:
        try:
            return next(iter(TarReader(_Sips(decompress(stream)))), None) is not None
        except ImageInvalidError:
            return False


@dataclass(frozen=True, slots=True)
class _Sips:
    """Reads no more than a header at once, so that only a header that is broken counts as broken."""

    stream: Readable

    def read(self, size: int, /) -> bytes:
        return self.stream.read(min(size, BLOCK))


def unpack_archive(
    file: Path,
    destination: Destination,
    target: str,
    owner: Owner | None,
    allowance: Allowance | None = None,
) -> None:
    """Unpack an archive into the folder `target`, an in-root path that is resolved and there.

    As in BuildKit, the folder is the members' root: `..` and links lead nowhere above it. What a member
    replaces is removed, but for folders, which merge. `owner` takes the place of the members' own. What is
    written is taken from the `allowance`.
    """
    with open(file, "rb", buffering=0) as stream:
        unpacking = _Unpacking(TarReader(decompress(stream), allowance), destination, target, owner)
        try:
            unpacking.run()
        except ImageInvalidError as error:
            raise ContextError(f"{file.name}: {error.message}") from error


@dataclass(slots=True)
class _Unpacking:
    archive: TarReader
    destination: Destination
    target: str
    owner: Owner | None
    _folders: dict[str, int] = field(default_factory=dict)

    def run(self) -> None:
        for member in self.archive:
            if normalise(member.name) != "/":
                self._unpack(member)
        for path, mtime_ns in self._folders.items():
            _set_times(self.destination.host(path), mtime_ns)

    def _unpack(self, member: Member) -> None:
        path = self._place(member.name)
        self.destination.make_parents(posixpath.dirname(path) if path != self.target else path)
        standing = self.destination.lstat(path)
        is_folder = member.kind is Kind.DIRECTORY
        merges = is_folder and standing is not None and stat.S_ISDIR(standing.st_mode)
        if standing is not None and not merges:
            self.destination.remove(path)
            self._folders.pop(path, None)
        host = self.destination.vacate(path, keep_directory=is_folder)
        if is_folder and not merges:
            self.destination.make_directory(path)
        self.destination.touch(path)
        if member.kind is Kind.HARD_LINK:
            self._link(member, host)
            return
        self._make(member, host)
        self._describe(member, host)
        if is_folder:
            self._folders[path] = member.mtime_ns

    def _place(self, name: str) -> str:
        """Return where a member goes: its parents' links are followed with `target` as the root."""
        parent, last = posixpath.split(normalise(name))
        return normalise(posixpath.join(self._inside(parent), last))

    def _inside(self, path: str) -> str:
        prefix = self.target.rstrip("/")
        return prefix + follow(path, lambda inner: self.destination.read_link(prefix + inner))

    def _link(self, member: Member, host: str) -> None:
        target = self._place(member.link)
        if self.destination.lstat(target) is None:
            raise ContextError(f"{shown(member.name)}: a link to {shown(member.link)}, which is not there")
        os.link(self.destination.host(target), host, follow_symlinks=False)
        # What was there before comes into the layer, too: that both are one file it tells of what it has.
        self.destination.touch(target)

    def _make(self, member: Member, host: str) -> None:
        if member.kind is Kind.FILE:
            file = os.open(host, _NEW, 0o600)
            try:
                _write(self.archive, member, file)
            finally:
                os.close(file)
        elif member.kind is Kind.LINK:
            os.symlink(member.link, host)
        elif member.kind in NODE_TYPES:
            os.mknod(host, NODE_TYPES[member.kind] | 0o600, os.makedev(*member.device))

    def _describe(self, member: Member, host: str) -> None:
        uid, gid = self.owner or (member.uid, member.gid)
        os.chown(host, uid, gid, follow_symlinks=False)
        if member.kind is not Kind.LINK:
            os.chmod(host, member.mode)
        for name, value in member.xattrs.items():
            if not set_xattr(host, name, value):
                self.destination.refuse(name)
        _set_times(host, member.mtime_ns)


def _write(archive: TarReader, member: Member, file: int) -> None:
    if member.sparse is None:
        archive.write_to(file)
        return
    for offset, length in member.sparse:
        os.lseek(file, offset, os.SEEK_SET)
        archive.write_to(file, length)
    os.ftruncate(file, member.real_size)


def _set_times(host: str, mtime_ns: int) -> None:
    time = max(0, mtime_ns)
    os.utime(host, ns=(time, time), follow_symlinks=False)
