"""Archives of a cache, unpacked: with as few calls of the kernel for each file as can be.

They may be anybody's. Whatever they hold is made by its last name in a folder that is open, and each folder
is opened from the one above, never through a link: nothing lands outside. Only files, folders and links are
made.
"""

import errno
import os
import stat
import time
from collections.abc import Mapping
from typing import BinaryIO

from yadokari_builder.cache.mounts.contents import DEEPEST, Stamp, State, stamp
from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.layers.allowance import Allowance
from yadokari_builder.layers.tar_member import Kind, Member, shown
from yadokari_builder.layers.tar_reader import TarReader
from yadokari_builder.layers.unpack import IMPOSSIBLE
from yadokari_builder.rootfs.xattrs import list_xattrs, set_xattr

CONTENT = "content"
"""The folder of an archive that has what the cache holds."""
USED = "used"
"""The file of an archive that says when files were used."""
LONGEST_LIST = 16 << 20
"""Bytes of the list of what was used; who writes more loses the rest."""

_SECOND = 1_000_000_000
_DEFAULT_ACL = "system.posix_acl_default"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# What only an archive can cause, not the machine.
# A link to elsewhere is one more; where layers are unpacked that may be the machine's.
_IMPOSSIBLE = IMPOSSIBLE | {errno.EXDEV}


class Unbundling:
    """The archives of one cache on their way into the new and empty folder at `folder`, the latest first.

    What is there already is newer than what an earlier archive has for its place, and stays.
    """

    def __init__(self, folder: str, allowance: Allowance) -> None:
        for name in list_xattrs(folder):
            os.removexattr(folder, name)  # what is made in it would take its default ACL
        self._folder = folder
        self._allowance = allowance
        self._used: Mapping[str, int] | None = None
        self._is_first = True
        self._has_content = False
        self._stamps: dict[str, Stamp] = {}
        # Paths that share a file with another one: what is known of them is asked for in the end.
        self._linked: set[str] = set()
        # Files that were deleted: what was in their place before them is gone, too.
        self._gone: set[str] = set()
        # Folders get what is theirs when all that is in them is there; the latest archive says what.
        self._metadata: dict[str, Member] = {}
        # Folders whose default ACL what is made in them would take: it is off while they are open.
        self._inherited: set[str] = set()
        # The way to the folder that members are made in, each by its descriptor.
        self._way: list[tuple[str, int]] = []

    def add(self, archive: BinaryIO) -> None:
        """Unpack an archive, uncompressed; raises `ImageInvalidError` and `OSError`."""
        self._way.append(("", os.open(self._folder, _FOLDER)))
        try:
            reader = TarReader(archive, self._allowance)
            for member in reader:
                try:
                    self._take(member, reader)
                except OSError as error:
                    if error.errno in _IMPOSSIBLE:
                        raise ImageInvalidError(
                            f"cannot unpack {shown(member.name)}: {error.strerror}"
                        ) from error
                    raise
            self._leave(None)
        finally:
            for _, descriptor in self._way:
                os.close(descriptor)
            self._way.clear()
        self._is_first = False

    def finish(self) -> State:
        """Return what is in the folder when all is unpacked.

        Raises `ImageInvalidError` if no archive was one of a cache.
        """
        if not self._has_content:
            raise ImageInvalidError("it is no archive of a cache")
        for path in self._linked:
            self._stamps[path] = stamp(os.lstat(self._folder + path))
        return State(self._stamps)

    def _take(self, member: Member, reader: TarReader) -> None:
        top, _, rest = member.name.partition("/")
        if member.name == USED and member.kind is Kind.FILE and self._used is None:
            self._used = parse_used(reader.read(min(member.size, LONGEST_LIST)))
        if top != CONTENT:
            return
        path = f"/{rest}" if rest else ""
        if member.kind is Kind.DIRECTORY:
            path = path.removesuffix("/")
            if path.count("/") <= DEEPEST and path not in self._gone:
                self._make_folder(path, member)
        elif path.count("/") > DEEPEST + 1 or path in self._gone:
            return
        elif member.kind in (Kind.FILE, Kind.LINK, Kind.HARD_LINK):
            if self._is_gone(path, member):
                self._gone.add(path)
            else:
                self._make(path, member, reader)

    def _is_gone(self, path: str, member: Member) -> bool:
        """Tell whether a file was there when an earlier archive was made, and no longer is."""
        if self._is_first or self._used is None or path in self._used:
            return False
        # The list has files alone, and no archive follows one of a link that is gone.
        made = self._stamps.get(_target(member)) if member.kind is Kind.HARD_LINK else None
        return member.kind is not Kind.LINK and not (made and stat.S_ISLNK(made[0]))

    def _make(self, path: str, member: Member, reader: TarReader) -> None:
        if path in self._stamps:
            return
        head, _, name = path.rpartition("/")
        _check(name, member)
        here = self._enter(head, member)
        try:
            if member.kind is Kind.FILE:
                self._stamps[path] = stamp(self._make_file(here, name, path, member, reader))
            elif member.kind is Kind.LINK:
                self._stamps[path] = stamp(_make_link(here, name, member))
            else:
                self._make_hard_link(here, name, path, member)
        except FileExistsError:
            return  # it is a folder now

    def _make_file(
        self, here: int, name: str, path: str, member: Member, reader: TarReader
    ) -> os.stat_result:
        if member.sparse is not None:
            raise ImageInvalidError(f"{shown(member.name)} is a sparse file, which no build packs")
        file = os.open(name, _NEW_FILE, member.mode & 0o777, dir_fd=here)
        try:
            reader.write_to(file)
            # Who reads it from now on moves its time: the kernel does so once after a change (relatime).
            read = self._used.get(path) if self._used else None
            times = member.mtime_ns if read is None else read * _SECOND, member.mtime_ns
            os.utime(file, ns=times)
            status = os.fstat(file)
            if member.xattrs or not _is_as_meant(status, member):
                _give(file, member)
                status = os.fstat(file)
            return status
        finally:
            os.close(file)

    def _make_hard_link(self, here: int, name: str, path: str, member: Member) -> None:
        target = _target(member)
        if target not in self._stamps:
            raise ImageInvalidError(f"{shown(member.name)} is a link to what is not there")
        # What has a stamp was made by that name, and nothing on the way to it is a link.
        head, _, last = target.rpartition("/")
        above = self._open(head)
        try:
            os.link(last, name, src_dir_fd=above, dst_dir_fd=here, follow_symlinks=False)
        finally:
            os.close(above)
        self._stamps[path] = self._stamps[target]
        self._linked |= {path, target}

    def _make_folder(self, path: str, member: Member) -> None:
        if path:
            head, _, name = path.rpartition("/")
            _check(name, member)
            here = self._enter(head, member)
            try:
                os.mkdir(name, 0o700, dir_fd=here)
            except FileExistsError:
                if path not in self._metadata:
                    return  # it is no folder any more
        self._has_content |= not path
        self._metadata.setdefault(path, member)
        self._enter(path, member)

    def _enter(self, path: str, member: Member) -> int:
        """Return the descriptor of a folder."""
        at, here = self._way[-1]
        if at == path:
            return here
        self._leave(path)
        at, here = self._way[-1]
        for name in path[len(at) + 1 :].split("/") if path != at else ():
            _check(name, member)
            here = os.open(name, _FOLDER, dir_fd=here)
            at = f"{at}/{name}"
            self._way.append((at, here))
            if at in self._inherited:
                xattrs = {_DEFAULT_ACL: os.getxattr(here, _DEFAULT_ACL)}
                self._metadata[at] = self._metadata[at]._replace(xattrs=xattrs)
                os.removexattr(here, _DEFAULT_ACL)
        return here

    def _open(self, path: str) -> int:
        """Open a folder anew."""
        here = os.dup(self._way[0][1])
        for name in filter(None, path.split("/")):
            try:
                below = os.open(name, _FOLDER, dir_fd=here)
            finally:
                os.close(here)
            here = below
        return here

    def _leave(self, path: str | None) -> None:
        """Close the folders that are not on the way to a path; all of them for None."""
        while self._way and (path is None or not f"{path}/".startswith(f"{self._way[-1][0]}/")):
            at, here = self._way.pop()
            try:
                if member := self._metadata.get(at):
                    self._finish(at, here, member)
            finally:
                os.close(here)

    def _finish(self, path: str, folder: int, member: Member) -> None:
        status = os.fstat(folder)
        if member.xattrs or not _is_as_meant(status, member):
            _give(folder, member)
            # Set once: they may be large, and what is still to come into the folder does not change them.
            self._metadata[path] = member._replace(xattrs={})
            if _DEFAULT_ACL in member.xattrs and _DEFAULT_ACL in list_xattrs(folder):
                self._inherited.add(path)
        os.utime(folder, ns=(member.mtime_ns, member.mtime_ns))
        if path:
            self._stamps[path] = stamp(os.fstat(folder))


def parse_used(data: bytes) -> Mapping[str, int]:
    """Read when files were last used, in seconds by path; what makes no sense is not listed.

    The list has for each file seconds, a blank, the path, and a zero.
    """
    lines = (line.partition(b" ") for line in data.split(b"\0"))
    now = int(time.time())
    return {
        os.fsdecode(name): min(int(seconds), now)
        for seconds, _, name in lines
        if name and seconds.isdigit() and len(seconds) < 20
    }


def _check(name: str, member: Member) -> None:
    if name in ("", ".", ".."):
        raise ImageInvalidError(f"no build names what it packs {shown(member.name)}")


def _target(member: Member) -> str:
    """Return the path that a hard link names, "" if it is not of the content."""
    top, _, rest = member.link.partition("/")
    return f"/{rest}" if top == CONTENT else ""


def _make_link(here: int, name: str, member: Member) -> os.stat_result:
    os.symlink(member.link, name, dir_fd=here)
    os.chown(name, member.uid, member.gid, dir_fd=here, follow_symlinks=False)
    os.utime(name, ns=(member.mtime_ns, member.mtime_ns), dir_fd=here, follow_symlinks=False)
    return os.stat(name, dir_fd=here, follow_symlinks=False)


def _is_as_meant(status: os.stat_result, member: Member) -> bool:
    """Tell whether owner and mode came out right, as they do for most files."""
    return (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (
        member.mode,
        member.uid,
        member.gid,
    )


def _give(file: int, member: Member) -> None:
    """Give a file its owner, attributes and mode, in the order in which none undoes another."""
    os.chown(file, member.uid, member.gid)
    for name, value in member.xattrs.items():
        set_xattr(file, name, value)
    os.chmod(file, member.mode)
