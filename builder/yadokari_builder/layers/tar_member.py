"""Members of tar archives: the values that headers hold."""

import stat
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

BLOCK = 512
WHITEOUT = ".wh."
"""What the name of a whiteout begins with (image-spec, layer.md)."""
_MOST_SHOWN = 200


class Kind(Enum):
    """What a member is; the values are the type flags of POSIX (ustar)."""

    FILE = b"0"
    HARD_LINK = b"1"
    LINK = b"2"
    CHARACTER_DEVICE = b"3"
    BLOCK_DEVICE = b"4"
    DIRECTORY = b"5"
    FIFO = b"6"


NODE_TYPES: Mapping[Kind, int] = MappingProxyType(
    {Kind.CHARACTER_DEVICE: stat.S_IFCHR, Kind.BLOCK_DEVICE: stat.S_IFBLK, Kind.FIFO: stat.S_IFIFO}
)
"""What mknod(2) calls the kinds that it makes."""


class Member(NamedTuple):
    """One member of an archive.

    `name` and `link` are text as os.fsdecode gives it. `size` is what the archive holds of the content;
    `sparse` lists where the pieces of a sparse file go (offset, length), `real_size` is its length then.
    A tuple rather than a dataclass: archives have hundreds of thousands of members.
    """

    name: str
    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    link: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: Mapping[str, bytes] = {}
    sparse: tuple[tuple[int, int], ...] | None = None
    real_size: int = 0


def shown(name: str) -> str:
    """Return a name as errors tell it: in quotes, printable, and not at any length."""
    return repr(name if len(name) <= _MOST_SHOWN else f"{name[:_MOST_SHOWN]}…")
