"""Mount points: what stands in the root and is not the image's."""

import os
import re
from pathlib import Path

_DEVICE = 2
_MOUNT_POINT = 4
_REMOTE = ("nfs", "cifs", "smb", "ceph", "9p", "virtiofs", "fuse", "glusterfs", "lustre", "gpfs", "beegfs")
_ESCAPE = re.compile(r"\\([0-7]{3})")


def parse_mountinfo(text: str) -> tuple[str, ...]:
    r"""Return the mount points that a mountinfo file lists, in its order.

    The kernel writes space, tab, newline and backslash of a path as octal escapes (`\040`); see
    proc_pid_mountinfo(5).
    """
    lines = (line.split(" ") for line in text.split("\n") if line)
    return tuple(_unescape(fields[_MOUNT_POINT]) for fields in lines)


def own_mounts(root: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> tuple[str, ...]:
    """Return every mount point below `root` that this process sees, as in-root paths, sorted, each once."""
    prefix = os.path.realpath(root).rstrip("/")
    points = parse_mountinfo(os.fsdecode(mountinfo.read_bytes()))
    below = {point.removeprefix(prefix) for point in points if point.startswith(f"{prefix}/")}
    return tuple(sorted(below - {"/"}))


def has_own_clock(path: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> bool:
    """Tell whether times of files at a path are this machine's, and not those of a server or a host."""
    return os.stat(path).st_dev not in devices_of(_REMOTE, mountinfo)


def devices_of(kinds: tuple[str, ...], mountinfo: Path = Path("/proc/self/mountinfo")) -> frozenset[int]:
    """Return the devices, as files tell them, of mounted file systems whose kind begins with one of these."""
    lines = os.fsdecode(mountinfo.read_bytes()).split("\n")
    # Behind a lone dash: proc_pid_mountinfo(5).
    found = (line.split(" ")[_DEVICE] for line in lines if line.partition(" - ")[2].startswith(kinds))
    return frozenset(os.makedev(*map(int, number.split(":"))) for number in found)


def _unescape(path: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), path)
