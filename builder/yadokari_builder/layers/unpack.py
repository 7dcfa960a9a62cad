"""Layers, applied to a root (image-spec, layer.md, "Applying Changesets")."""

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.layers.allowance import Allowance
from yadokari_builder.layers.fingerprints import Fingerprints, checksum
from yadokari_builder.layers.outline import OutlineReader, is_of_accounts
from yadokari_builder.layers.tar_member import NODE_TYPES, WHITEOUT, Kind, Member, shown
from yadokari_builder.layers.tar_reader import TarReader, Watch
from yadokari_builder.rootfs import xattrs
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.paths import normalise, resolve
from yadokari_builder.rootfs.tree import empty, remove

_OPAQUE = ".wh..wh..opq"
# aufs kept notes of its own under such names; they are no whiteouts.
_WHITEOUT_METADATA = ".wh..wh."
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_DIRECTORY_MODE = 0o755
_MOST_NAMES = 100
_OTHERS = "(others)"
_RELATIVE = ("", ".", "..")
_DEFAULT_ACL = "system.posix_acl_default"
_ACLS = ("system.posix_acl_access", _DEFAULT_ACL)
# What only an archive can cause, not the machine.
IMPOSSIBLE = frozenset(
    {errno.ELOOP, errno.ENOTDIR, errno.ENOENT, errno.ENAMETOOLONG, errno.EINVAL, errno.EISDIR, errno.EPERM}
    | {errno.EFBIG, errno.EMLINK, errno.EOVERFLOW}
)
# Bytes of memory for the names of directories that members have landed in.
_MOST_REMEMBERED = 8 << 20
_PARENT = 300  # beside its names


@dataclass(slots=True)
class UnpackReport:
    """What an archive held that could not be written as it stands, for the log to say once.

    `excluded` are in-root paths that were left out because the boundary excludes them or something below,
    `unsafe_links` hard links to outside of the root: the first hundred of each. `xattrs` (by name, after a
    hundred of them together) and `devices` count what the kernel refused.
    """

    excluded: list[str] = field(default_factory=list)
    unsafe_links: list[str] = field(default_factory=list)
    xattrs: dict[str, int] = field(default_factory=dict)
    devices: int = 0

    def __bool__(self) -> bool:
        return bool(self.excluded or self.unsafe_links or self.xattrs or self.devices)

    def add(self, other: "UnpackReport") -> None:
        """Take in what another archive held."""
        for path in other.excluded:
            self.leave_out(path)
        for path in other.unsafe_links:
            self.refuse_link(path)
        for name, count in other.xattrs.items():
            self.refuse_xattr(name, count)
        self.devices += other.devices

    def leave_out(self, path: str) -> None:
        """Note that something excluded was in the way."""
        if len(self.excluded) < _MOST_NAMES:
            self.excluded.append(path)

    def refuse_link(self, path: str) -> None:
        """Note that a hard link leads out of the root."""
        if len(self.unsafe_links) < _MOST_NAMES:
            self.unsafe_links.append(path)

    def refuse_xattr(self, name: str, count: int = 1) -> None:
        """Note that the kernel refuses an attribute."""
        if name not in self.xattrs and len(self.xattrs) >= _MOST_NAMES:
            name = _OTHERS
        self.xattrs[name] = self.xattrs.get(name, 0) + count


def unpack(
    layer: BinaryIO,
    boundary: Boundary,
    *,
    names_only: bool = False,
    whiteouts: bool = True,
    fingerprints: Fingerprints | None = None,
    allowance: Allowance | None = None,
    watch: Watch | None = None,
) -> UnpackReport:
    """Apply a layer, an uncompressed archive, to the tree of a boundary.

    Nothing is written outside of the root or to what is excluded: names and links are taken as if the root
    were `/`, and what would land on something excluded is left out and reported. The stream is read to its
    end. With `names_only` files get neither content nor metadata (see `is_placeholder`), but for those named
    `passwd` or `group`. Without `whiteouts` the archive is no layer: files of such names are files.
    `fingerprints` are told what files hold, and a `watch` what is read; what is written is taken from the
    `allowance`.
    Raises ImageInvalidError if the archive is broken.
    """
    reader = TarReader(layer, allowance, watch)
    return _Unpacking(reader, boundary, names_only, whiteouts, fingerprints or Fingerprints()).run()


def unpack_outline(
    outline: BinaryIO,
    boundary: Boundary,
    *,
    fingerprints: Fingerprints | None = None,
    allowance: Allowance | None = None,
) -> UnpackReport:
    """Apply the names of a layer by its outline, uncompressed, as `unpack` does with `names_only`."""
    reader = OutlineReader(outline, allowance)
    return _Unpacking(reader, boundary, True, True, fingerprints or Fingerprints()).run()


def is_placeholder(status: os.stat_result) -> bool:
    """Tell whether a file may stand for one whose content was not unpacked: it is empty and of mode 0."""
    return stat.S_ISREG(status.st_mode) and not (status.st_size or stat.S_IMODE(status.st_mode))


class _Parent(NamedTuple):
    """A directory that members land in: its in-root path without a slash at the end ("" for the root).

    `inherits` tells that new files take its group or its default ACL.
    """

    path: str
    inherits: bool


class _Unpacking:
    """One archive on its way into a root."""

    def __init__(
        self,
        reader: TarReader | OutlineReader,
        boundary: Boundary,
        names_only: bool,
        whiteouts: bool,
        fingerprints: Fingerprints,
    ) -> None:
        self._names_only = names_only
        self._whiteouts = whiteouts
        self._fingerprints = fingerprints
        self._reader = reader
        self._boundary = boundary
        self._prefix = boundary.prefix
        self._excluded = boundary.excluded
        self._report = UnpackReport()
        # By the name in the archive; None for what is excluded.
        self._parents: dict[str, _Parent | None] = {}
        self._remembered = 0
        # Directories get their owner, mode and time last: until then members are still written into them.
        self._directories: dict[str, tuple[int, int, int, int]] = {}
        # Hashes of the in-root paths that this layer has added, for whiteouts that follow them. The hashes of
        # strings are keyed at random, so that no archive can make two of them meet.
        self._added: set[int] = set()
        self._owner = (os.geteuid(), os.getegid())
        self._masked = 0o7000 | _umask()
        self._makers: dict[Kind, Callable[[str, Member], bool]] = {
            Kind.HARD_LINK: self._make_hard_link,
            Kind.LINK: self._make_link,
            Kind.CHARACTER_DEVICE: self._make_node,
            Kind.BLOCK_DEVICE: self._make_node,
            Kind.FIFO: self._make_node,
        }
        if names_only:
            self._makers[Kind.FILE] = self._make_placeholder

    def run(self) -> UnpackReport:
        for member in self._reader:
            try:
                self._apply(member)
            except OSError as error:
                if error.errno in IMPOSSIBLE:
                    raise ImageInvalidError(
                        f"cannot unpack {shown(member.name)}: {error.strerror}"
                    ) from error
                raise
        for path, metadata in self._directories.items():
            self._finish_directory(path, *metadata)
        return self._report

    def _apply(self, member: Member) -> None:
        head, _, name = member.name.rpartition("/")
        if name in _RELATIVE:
            head, _, name = normalise(member.name).rpartition("/")
            if not name:
                return  # the root itself
        parent = self._parents[head] if head in self._parents else self._enter(head)
        if parent is None:
            self._report.leave_out(f"{normalise(head)}/{name}")
            return
        path = f"{parent.path}/{name}"
        if self._whiteouts and name.startswith(WHITEOUT):
            self._white_out(parent.path, name)
        elif path in self._excluded:
            self._report.leave_out(path)
        elif member.kind is Kind.FILE and (not self._names_only or is_of_accounts(name)):
            self._make_file(path, member, parent)
        elif member.kind is Kind.DIRECTORY:
            self._make_directory(path, member)
        elif self._attempt(path, member):
            self._added.add(hash(path))
            if parent.inherits and member.kind is Kind.FILE:
                _drop_acls(self._prefix + path)

    def _enter(self, name: str) -> _Parent | None:
        """Find the directory that a member's leading path means, made where it is missing."""
        parent = self._step_down(name)
        if parent is None:
            path = resolve(self._boundary.root, normalise(name))
            if not self._boundary.is_excluded(path):
                parent = self._parent("" if path == "/" else path)
        self._remembered += len(name) + (len(parent.path) if parent else 0) + _PARENT
        if self._remembered > _MOST_REMEMBERED:
            self._forget_parents()
        self._parents[name] = parent
        return parent

    def _forget_parents(self) -> None:
        self._parents.clear()
        self._remembered = 0

    def _step_down(self, name: str) -> _Parent | None:
        """Find a directory that lies, as most do, right below one that is known, with no link between."""
        above, _, last = name.rpartition("/")
        known = self._parents.get(above)
        if known is None or last in _RELATIVE:
            return None
        path = f"{known.path}/{last}"
        if path not in self._excluded and _is_directory(self._prefix + path):
            return self._parent(path)
        return None

    def _parent(self, path: str) -> _Parent:
        host = self._boundary.host(path or "/")
        if not os.path.lexists(host):
            self._make_parents(path)
        status = os.lstat(host)
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        inherits = bool(status.st_mode & stat.S_ISGID) or _DEFAULT_ACL in xattrs.list_xattrs(host)
        return _Parent(path, inherits)

    def _make_parents(self, path: str) -> None:
        """Make a directory and those above it that are missing: root's, for everybody to read."""
        missing = []
        while path and not os.path.lexists(self._prefix + path):
            missing.append(self._prefix + path)
            path = path.rpartition("/")[0]
        for host in reversed(missing):
            os.mkdir(host)
            os.chmod(host, _NEW_DIRECTORY_MODE)

    def _make_room(self, path: str) -> bool:
        """Take away what stands at a path; tells whether that was possible."""
        status = os.lstat(self._prefix + path)
        if stat.S_ISREG(status.st_mode):
            os.unlink(self._prefix + path)
            return True
        if self._boundary.has_excluded_below(path):
            self._report.leave_out(path)
            return False
        remove(self._boundary, path, self._forget_directory)
        # What led through it may lead elsewhere now.
        self._forget_parents()
        return True

    def _forget_directory(self, path: str) -> bool:
        """Set no metadata of a directory that goes; it is not kept."""
        self._directories.pop(path, None)
        return False

    def _make_file(self, path: str, member: Member, parent: _Parent) -> None:
        host = self._prefix + path
        try:
            file = os.open(host, _NEW_FILE, member.mode & 0o777)
        except FileExistsError:
            if not self._make_room(path):
                return
            file = os.open(host, _NEW_FILE, member.mode & 0o777)
        try:
            self._write_content(file, member)
            if (member.uid, member.gid) != self._owner or parent.inherits:
                os.chown(file, member.uid, member.gid)
            if parent.inherits:
                _drop_acls(file)
            if member.xattrs:
                self._set_xattrs(file, member)
            if member.mode & self._masked or parent.inherits:
                os.chmod(file, member.mode)
            os.utime(file, ns=(member.mtime_ns, member.mtime_ns))
        finally:
            os.close(file)
        self._added.add(hash(path))
        if member.sparse is None:
            content = self._reader.checksum
            self._fingerprints.add(path, checksum(content, _own(member)) if member.xattrs else content)
        else:
            self._fingerprints.forget(path)

    def _write_content(self, file: int, member: Member) -> None:
        if member.sparse is None:
            self._reader.write_to(file)
            return
        for offset, length in member.sparse:
            os.lseek(file, offset, os.SEEK_SET)
            self._reader.write_to(file, length)
        os.truncate(file, member.real_size)

    def _make_directory(self, path: str, member: Member) -> None:
        host = self._prefix + path
        try:
            os.mkdir(host, _NEW_DIRECTORY_MODE)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(host).st_mode):
                if not self._make_room(path):
                    return
                os.mkdir(host, _NEW_DIRECTORY_MODE)
        for name in xattrs.list_xattrs(host):
            os.removexattr(host, name)
        self._set_xattrs(host, member)
        if _DEFAULT_ACL in member.xattrs:
            self._forget_parents()  # what lands in it from now on inherits
        self._directories[path] = (member.uid, member.gid, member.mode, member.mtime_ns)
        self._added.add(hash(path))

    def _finish_directory(self, path: str, uid: int, gid: int, mode: int, mtime_ns: int) -> None:
        host = self._prefix + path
        os.chown(host, uid, gid, follow_symlinks=False)
        os.chmod(host, mode)
        os.utime(host, ns=(mtime_ns, mtime_ns), follow_symlinks=False)

    def _attempt(self, path: str, member: Member) -> bool:
        """Make what is neither a directory nor a file with content; tells whether it is there now."""
        make = self._makers[member.kind]
        try:
            return make(path, member)
        except FileExistsError:
            return self._make_room(path) and make(path, member)

    def _make_link(self, path: str, member: Member) -> bool:
        host = self._prefix + path
        os.symlink(member.link, host)
        self._set_metadata(host, member)
        return True

    def _make_hard_link(self, path: str, member: Member) -> bool:
        head, _, name = normalise(member.link).rpartition("/")
        target = resolve(self._boundary.root, head).rstrip("/") + f"/{name}"
        if self._boundary.is_excluded(target):
            self._report.leave_out(path)
            return False
        if target == path:
            return os.path.lexists(self._prefix + path)
        try:
            os.link(self._prefix + target, self._prefix + path, follow_symlinks=False)
        except FileNotFoundError:
            if not _leaves_root(member.link):
                raise
            self._report.refuse_link(path)
            return False
        self._fingerprints.link(path, target)
        host = self._prefix + path
        if not self._names_only or os.path.islink(host):
            self._set_metadata(host, member)
        return True

    def _make_placeholder(self, path: str, _: Member) -> bool:
        os.mknod(self._prefix + path, stat.S_IFREG)
        return True

    def _make_node(self, path: str, member: Member) -> bool:
        host = self._prefix + path
        try:
            os.mknod(host, NODE_TYPES[member.kind] | member.mode, os.makedev(*member.device))
        except PermissionError:
            self._report.devices += 1
            return False
        _drop_acls(host)  # before it gets its own
        self._set_metadata(host, member)
        return True

    def _set_metadata(self, host: str, member: Member) -> None:
        """Set owner, attributes, mode and time, in the order in which none undoes another."""
        os.chown(host, member.uid, member.gid, follow_symlinks=False)
        if member.xattrs:
            self._set_xattrs(host, member)
        if not (member.kind is Kind.LINK or (member.kind is Kind.HARD_LINK and os.path.islink(host))):
            os.chmod(host, member.mode)
        os.utime(host, ns=(member.mtime_ns, member.mtime_ns), follow_symlinks=False)

    def _set_xattrs(self, file: str | int, member: Member) -> None:
        for name, value in member.xattrs.items():
            if xattrs.is_foreign(name) or not xattrs.set_xattr(file, name, value):
                self._report.refuse_xattr(name)

    def _white_out(self, parent: str, name: str) -> None:
        """Remove what a whiteout hides of lower layers; what this layer itself has added stays."""
        if name == _OPAQUE:
            empty(self._boundary, parent or "/", self._is_added)
        elif not name.startswith(_WHITEOUT_METADATA):
            hidden = name.removeprefix(WHITEOUT)
            if hidden in ("", ".", ".."):
                raise ImageInvalidError(
                    f"the whiteout {shown(name)} in {shown(parent or '/')} hides nothing that can be"
                )
            path = f"{parent}/{hidden}"
            if os.path.lexists(self._prefix + path):
                remove(self._boundary, path, self._is_added)
        self._forget_parents()

    def _is_added(self, path: str) -> bool:
        return hash(path) in self._added


def _own(member: Member) -> dict[str, bytes]:
    return {name: value for name, value in member.xattrs.items() if not xattrs.is_foreign(name)}


def _is_directory(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _drop_acls(file: str | int) -> None:
    for name in xattrs.list_xattrs(file):
        if name in _ACLS:
            os.removexattr(file, name)


def _leaves_root(link: str) -> bool:
    depth = 0
    for name in link.split("/"):
        depth += {"": 0, ".": 0, "..": -1}.get(name, 1)
        if depth < 0:
            return True
    return False


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
