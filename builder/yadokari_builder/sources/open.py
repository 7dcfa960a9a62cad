"""Where a build context is, and how it is opened."""

import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

from yadokari_builder.errors import ContextError
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.shelter import move_entries, relocate

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
# Volumes of ConfigMaps and Secrets: `..data` leads to the folder that holds the current files.
_CURRENT_VERSION = "..data"


@dataclass(frozen=True, slots=True)
class Context:
    """A build context: a folder; `moved` tells that it has been brought there out of a build's way."""

    root: Path
    moved: bool = False


def open_context(location: str, *, cwd: Path, root: Path, shelter: Path, excluded: frozenset[str]) -> Context:
    """Find the folder that `location`, `dir://PATH` or PATH, names; a relative one starts at `cwd`.

    A build deletes everything in `root` but what lies at or below the in-root paths `excluded` (mounts, the
    executor's own). A context that would be deleted is moved below `shelter`, which must be excluded itself;
    if it is `root` itself, everything in it that would be deleted is the context. Raises ContextError.
    """
    path = Path(os.path.realpath(cwd / _path_of(location)))
    if not path.is_dir():
        what = "is not a folder" if path.exists() else "does not exist"
        raise ContextError(f"the build context {location} {what}")
    in_root = _in_root(path, root)
    moved = in_root is not None and not Boundary(root, excluded).is_excluded(in_root)
    if in_root is not None and moved:
        shelter.mkdir(parents=True, exist_ok=True)
        path = _shelter(path, in_root, shelter / "context", excluded)
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


def _shelter(path: Path, in_root: str, target: Path, excluded: frozenset[str]) -> Path:
    if in_root == "/":
        target.mkdir()
        move_entries(str(path), "/", str(target), excluded)
        return target
    lost = sorted(each for each in excluded if each.startswith(in_root + "/"))
    if lost:
        raise ContextError(
            f"the build context {in_root} lies in the container's own root, but {lost[0]} in it is a mount:"
            " mount the whole context, or put it elsewhere"
        )
    relocate(str(path), str(target))
    return target


def _in_root(path: Path, root: Path) -> str | None:
    base = Path(os.path.realpath(root))
    if not path.is_relative_to(base):
        return None
    return posixpath.join("/", *path.relative_to(base).parts)
