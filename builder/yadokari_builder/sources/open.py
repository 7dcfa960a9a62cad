"""Where a build context is: the scheme of its location says what opens it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from yadokari_builder.errors import ContextError
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.sources.directory import Context, open_directory

_LOCATION = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*)://)?(.*)", re.DOTALL)


class Opener(Protocol):
    """What opens the contexts of one scheme, by what stands behind it; raises ContextError."""

    def __call__(self, location: str, *, cwd: Path, boundary: Boundary, refuge: Path) -> Context:
        """Open a context (see `open_context`)."""
        ...


_OPENERS: Mapping[str, Opener] = {"": open_directory, "dir": open_directory}


def open_context(location: str, *, cwd: Path, boundary: Boundary, refuge: Path) -> Context:
    """Find the folder that `location`, `dir://PATH` or PATH, names; a relative one starts at `cwd`.

    A build deletes everything in its root but what is excluded. A context that would be deleted is moved to
    `refuge`, where nothing is and which must be excluded itself; if it is the root itself, everything in it
    that would be deleted is the context. Raises ContextError.
    """
    matched = _LOCATION.fullmatch(location)
    scheme, rest = matched.groups("") if matched else ("", location)
    opener = _OPENERS.get(scheme.lower())
    if opener is None:
        raise ContextError(
            f"{scheme}:// contexts are not supported in this version: mount the files into the pod"
            " and name the folder, as in --context dir:///workspace"
        )
    return opener(rest, cwd=cwd, boundary=boundary, refuge=refuge)
