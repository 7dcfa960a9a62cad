"""What a step sees: mounted in the namespaces that it is about to live in, before its program is there."""

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from yadokari_builder.run import kernel
from yadokari_builder.run.devices import DEVICES
from yadokari_builder.run.spaces.ground import NODES

_INERT = kernel.MS_NOSUID | kernel.MS_NOEXEC | kernel.MS_NODEV
_BIND = kernel.MS_BIND | kernel.MS_REC
_SPARE = "/sys"


@dataclass(frozen=True, slots=True)
class Held:
    """A file or directory that becomes a mount of its own, so that it can be neither moved nor deleted."""

    path: str
    is_readonly: bool = False


@dataclass(frozen=True, slots=True)
class Memory:
    """A tmpfs of at most `size` bytes (0: no limit) over a directory, whose mode it takes."""

    path: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Written:
    """A file in memory that is never swapped, over another one; nobody can write it."""

    path: str
    data: bytes = field(repr=False)
    uid: int = 0
    gid: int = 0
    mode: int = 0o400


@dataclass(frozen=True, slots=True)
class View:
    """A root with what is mounted in it, in this order; paths are in-root ones without links."""

    root: Path
    mounts: Sequence[Held | Memory | Written] = ()


def enter(view: View) -> None:
    """Mount all of a view, and make its root this process's with nothing else in sight; raises `OSError`."""
    root = str(view.root)
    kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount(root, root, "", _BIND)
    _mount_proc(f"{root}/proc")
    kernel.mount("/sys", f"{root}/sys", "", _BIND)
    _mount_devices(f"{root}{DEVICES}")
    _place(root, view.mounts)
    kernel.pivot_root(root)


def _mount_proc(target: str) -> None:
    """Mount a /proc of the step's own processes; where the pod's is masked, only that one may be seen."""
    try:
        kernel.mount("proc", target, "proc", _INERT)
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
        kernel.mount("/proc", target, "", _BIND)


def _mount_devices(folder: str) -> None:
    for name in NODES:
        kernel.mount(f"{DEVICES}/{name}", f"{folder}/{name}", "", kernel.MS_BIND)
    quiet = kernel.MS_NOSUID | kernel.MS_NOEXEC
    kernel.mount("devpts", f"{folder}/pts", "devpts", quiet, "newinstance,ptmxmode=0666,mode=0620,gid=5")
    kernel.mount("shm", f"{folder}/shm", "tmpfs", _INERT, "mode=1777,size=65536k")
    kernel.mount("mqueue", f"{folder}/mqueue", "mqueue", _INERT)


def _place(root: str, mounts: Sequence[Held | Memory | Written]) -> None:
    """Mount one after the other, what is below others after those; what is read-only becomes so in the end.

    What one hides of another is found by the descriptor that was opened before.
    """
    opened = [(each, os.open(root + each.path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)) for each in mounts]
    for each, descriptor in opened:
        target = root + each.path
        _make_if_hidden(target, descriptor)
        match each:
            case Memory(size=size):
                _mount_memory(target, size, os.fstat(descriptor).st_mode)
            case Written():
                _mount_written(target, each)
            case Held():
                kernel.mount(f"/proc/self/fd/{descriptor}", target, "", _BIND)
    for each in mounts:
        if isinstance(each, Held) and each.is_readonly:
            # What the file system beneath is mounted with cannot be taken back in a user namespace.
            flags = kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY | _kept_flags(root + each.path)
            kernel.mount("", root + each.path, "", flags)


def _make_if_hidden(target: str, descriptor: int) -> None:
    if os.path.lexists(target):
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.mkdir(target)
    else:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC))


def _kept_flags(target: str) -> int:
    known = (
        (os.ST_NOSUID, kernel.MS_NOSUID),
        (os.ST_NODEV, kernel.MS_NODEV),
        (os.ST_NOEXEC, kernel.MS_NOEXEC),
        (os.ST_NOATIME, kernel.MS_NOATIME),
        (os.ST_NODIRATIME, kernel.MS_NODIRATIME),
        (os.ST_RELATIME, kernel.MS_RELATIME),
    )
    present = os.statvfs(target).f_flag
    return sum(flag for status, flag in known if present & status)


def _mount_memory(target: str, size: int, mode: int) -> None:
    bound = f",size={size}" if size else ""
    kernel.mount("tmpfs", target, "tmpfs", kernel.MS_NOSUID, f"mode={stat.S_IMODE(mode):o}{bound}")


def _mount_written(target: str, file: Written) -> None:
    """Mount a file of a ramfs: a tmpfs may be swapped, and may not be kept from it in a user namespace."""
    # What the executor sees at /sys is covered, in this process's sight alone, and goes with its root.
    kernel.mount("secrets", _SPARE, "ramfs", _INERT, "mode=700")
    source = f"{_SPARE}/file"
    with open(os.open(source, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as opened:
        opened.write(file.data)
        os.fchown(opened.fileno(), file.uid, file.gid)
        os.fchmod(opened.fileno(), file.mode)
    kernel.mount(source, target, "", kernel.MS_BIND)
    kernel.mount("", target, "", kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY | _INERT)
