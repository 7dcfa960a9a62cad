"""Build contexts that are folders."""

import os
import posixpath
from pathlib import Path

from yadokari_builder.errors import ContextError
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.paths import parents
from yadokari_builder.rootfs.relocate import move, move_contents
from yadokari_builder.rootfs.tree import remove_if_empty
from yadokari_builder.sources.context import Context, Location, Surroundings

# Volumes of ConfigMaps and Secrets: `..data` leads to the folder that holds the current files.
_CURRENT_VERSION = "..data"


def open_directory(location: Location, around: Surroundings) -> Context:
    """Find the folder at a path, and move it out of a build's way where that is needed.

    If it is the root itself, everything in it that would be deleted is the context. Raises ContextError.
    """
    if not location.rest:
        raise ContextError("the build context has no path: name a folder, as in --context dir:///workspace")
    path = Path(os.path.realpath(around.place.cwd / location.rest))
    if not path.is_dir():
        what = "is not a folder" if path.exists() else "does not exist"
        raise ContextError(f"the build context {location.rest} {what}")
    in_root = _in_root(path, around.place.boundary.root)
    moved = in_root is not None and not around.place.boundary.is_excluded(in_root)
    if in_root is not None and moved:
        _move(in_root, around.place.boundary, around.place.refuge)
        path = around.place.refuge
    return Context(_current_version(path) or path, moved)


def _current_version(volume: Path) -> Path | None:
    """Return the folder that holds the files of a volume, None for what is no such volume.

    A link that leads anywhere else is a file of the context like others: its author has no say in where the
    context is.
    """
    try:
        name = os.readlink(volume / _CURRENT_VERSION)
    except OSError:
        return None
    folder = volume / name
    is_version = name.startswith("..") and name != ".." and "/" not in name
    return folder if is_version and folder.is_dir() and not folder.is_symlink() else None


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
