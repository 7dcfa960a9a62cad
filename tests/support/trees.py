"""Trees on disk, told in full so that two can be compared."""

import hashlib
import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from support.folders import remove_tree

_SECOND = 1_000_000_000


class Described(NamedTuple):
    """Everything about a file that a layer can hold; `first_name` is the first of its hard links' names."""

    mode: str
    owner: tuple[int, int]
    device: int
    mtime: int
    first_name: str
    content: str
    xattrs: tuple[tuple[str, bytes], ...]


def names_below(root: Path) -> list[str]:
    """Name everything in a tree, relative to its root."""
    # rglob of Python 3.11.2 fails where a link is too long.
    return [
        os.path.relpath(os.path.join(folder, name), root)
        for folder, folders, files in os.walk(root)
        for name in (*folders, *files)
    ]


@contextmanager
def deep_folder(parent: Path, depth: int, name: str) -> Iterator[Path]:
    """Have a folder in `parent` that holds folders in folders, all called `name`, and a file in the last one.

    No path may be long enough for it, and what removes trees for Python is not.
    """
    top = parent / "deep"
    top.mkdir()
    here = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for _ in range(depth):
            os.mkdir(name, dir_fd=here)
            there = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
            os.close(here)
            here = there
        os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here))
        yield top
    finally:
        os.close(here)
        remove_tree(top)


def describe(root: Path, *, whole_seconds: bool = False) -> dict[str, Described]:
    """Tell everything about what is below `root`, by relative path."""
    first_names: dict[tuple[int, int], str] = {}
    description = {}
    for path in sorted(names_below(root)):
        host = root / path
        status = os.lstat(host)
        description[path] = Described(
            oct(status.st_mode),
            (status.st_uid, status.st_gid),
            status.st_rdev,
            status.st_mtime_ns // _SECOND if whole_seconds else status.st_mtime_ns,
            first_names.setdefault((status.st_dev, status.st_ino), path),
            _content(host, status),
            tuple((name, os.getxattr(host, name, follow_symlinks=False)) for name in _xattr_names(host)),
        )
    return description


def folders_timed_by_entries(root: Path) -> set[str]:
    """Name the folders whose time nobody has set: it is that of the last entry that came or went, of late."""
    an_hour_ago = time.time_ns() - 3600 * _SECOND
    statuses = {name: os.lstat(root / name) for name in names_below(root)}
    return {
        name
        for name, status in statuses.items()
        if stat.S_ISDIR(status.st_mode) and an_hour_ago < status.st_mtime_ns < time.time_ns()
    }


def essence(tree: Mapping[str, Described], timed_by_entries: set[str]) -> dict[str, Described]:
    """Return what layers keep of a tree: all but hard links, and but times that nobody has set."""
    return {
        path: described._replace(first_name="", mtime=0 if path in timed_by_entries else described.mtime)
        for path, described in tree.items()
    }


def first_names(tree: Mapping[str, Described]) -> set[tuple[str, str]]:
    """Return each name with the first name of the same file."""
    return {(path, described.first_name) for path, described in tree.items()}


def pairs_of_names(tree: Mapping[str, Described]) -> set[tuple[str, str]]:
    """Return all pairs of names of one file."""
    return {(a, b) for a in tree for b in tree if tree[a].first_name == tree[b].first_name}


def features(applied: Mapping[str, Described], names_in_layers: Iterable[str]) -> set[str]:
    """Tell what of the harder things layers and the tree they make have."""
    names = [name.rstrip("/").rpartition("/")[2] for name in names_in_layers]
    found = {
        "a whiteout": any(name.startswith(".wh.") for name in names),
        "a hard link": any(path != described.first_name for path, described in applied.items()),
        "an attribute": any(described.xattrs for described in applied.values()),
        "an ACL": any("posix_acl" in str(described.xattrs) for described in applied.values()),
        "a capability": any("capability" in str(described.xattrs) for described in applied.values()),
    }
    return {feature for feature, is_there in found.items() if is_there}


def _content(path: Path, status: os.stat_result) -> str:
    if stat.S_ISREG(status.st_mode):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return os.readlink(path) if path.is_symlink() else ""


def _xattr_names(path: Path) -> list[str]:
    names = os.listxattr(path, follow_symlinks=False)
    return sorted(name for name in names if name != "security.selinux")
