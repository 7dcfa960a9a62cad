"""Where a build context is, and how it is opened."""

import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

from yadokari_builder.errors import ContextError
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.paths import parents
from yadokari_builder.rootfs.relocate import move, move_contents
from yadokari_builder.rootfs.tree import remove_if_empty

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
# Volumes of ConfigMaps and Secrets: `..data` leads to the folder that holds the current files.
_CURRENT_VERSION = "..data"


@dataclass(frozen=True, slots=True)
class Context:
    """A build context: a folder; `moved` tells that it has been brought there out of a build's way."""

    root: Path
    moved: bool = False


def open_context(location: str, *, cwd: Path, boundary: Boundary, refuge: Path) -> Context:
    """Find the folder that `location`, `dir://PATH` or PATH, names; a relative one starts at `cwd`.

    A build deletes everything in its root but what is excluded. A context that would be deleted is moved to
    `refuge`, where nothing is and which must be excluded itself; if it is the root itself, everything in it
    that would be deleted is the context. Raises ContextError.
    """
    path = Path(os.path.realpath(cwd / _path_of(location)))
    if not path.is_dir():
        what = "is not a folder" if path.exists() else "does not exist"
        raise ContextError(f"the build context {location} {what}")
    in_root = _in_root(path, boundary.root)
    moved = in_root is not None and not boundary.is_excluded(in_root)
    if in_root is not None and moved:
        _move(in_root, boundary, refuge)
        path = refuge
    current = path / _CURRENT_VERSION
    if current.is_symlink() and current.is_dir():
        path = Path(os.path.realpath(current))
    return Context(path, moved)


def _path_of(location: str) -> str:
    scheme = _SCHEME.fullmatch(location)
    if scheme and scheme[1].lower() != "dir":
        raise ContextError(
            f"{scheme[1]}:// contexts are not supported in this version: mount the files into the pod"
            " and name the folder, as in --context dir:///workspace"
        )
    path = scheme[2] if scheme else location
    if not path:
        raise ContextError("the build context has no path: name a folder, as in --context dir:///workspace")
    return path


def _move(in_root: str, boundary: Boundary, refuge: Path) -> None:
    refuge.parent.mkdir(parents=True, exist_ok=True)
    if in_root != "/":
        lost = sorted(path for path in boundary.excluded if in_root in parents(path))
        if lost:
            raise ContextError(
                f"the build context {in_root} lies in the container's own root, but {lost[0]} in it is a"
                " mount: mount the whole context, or put it elsewhere"
            )
        move(boundary.host(in_root), str(refuge))
        return
    refuge.mkdir()
    move_contents(boundary, str(refuge))
    # What only leads to something excluded is not the user's.
    for path in sorted(boundary.above, reverse=True):
        if os.path.isdir(f"{refuge}{path}"):
            remove_if_empty(f"{refuge}{path}")


def _in_root(path: Path, root: Path) -> str | None:
    base = Path(os.path.realpath(root))
    if not path.is_relative_to(base):
        return None
    return posixpath.join("/", *path.relative_to(base).parts)
