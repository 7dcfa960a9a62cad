"""Where a build context is: the scheme of its location says what opens it."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from yadokari_builder.dockerfile.quoting import printable
from yadokari_builder.errors import ContextError, described
from yadokari_builder.rootfs.paths import resolve
from yadokari_builder.sources.archive import open_archive
from yadokari_builder.sources.context import Context, Location, Surroundings
from yadokari_builder.sources.directory import open_directory
from yadokari_builder.sources.web_archive import open_web_archive

_LOCATION = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*)://)?(.*)", re.DOTALL)

Opener = Callable[[Location, Surroundings], Context]
"""Opens the contexts of a scheme; raises ContextError, and DownloadError where trying again may help."""

_OPENERS: Mapping[str, Opener] = {
    "": open_directory,
    "dir": open_directory,
    "tar": open_archive,
    "https": open_web_archive,
    "http": open_web_archive,
}


def open_context(location: str, sub_path: str, around: Surroundings) -> Context:
    """Bring the files of a context into a folder that a build leaves alone; see `Opener` for errors.

    `sub_path` is a folder in what `location` names, which then is the context; "" for all of it.
    """
    parts = _LOCATION.fullmatch(location)
    scheme, rest = parts.groups("") if parts else ("", location)
    opener = _OPENERS.get(scheme.lower())
    if opener is None:
        known = ", ".join(f"{scheme}://" for scheme in _OPENERS if scheme)
        raise ContextError(f"there are no {scheme}:// contexts: name a folder, or one of {known}")
    return _below(opener(Location(scheme.lower(), rest), around), sub_path)


def _below(context: Context, sub_path: str) -> Context:
    if not sub_path.strip("/"):
        return context
    try:
        # Links of the context lead nowhere out of it.
        found = resolve(context.root, sub_path)
    except OSError as error:
        raise ContextError(described(error)) from error
    root = Path(f"{context.root}{found}")
    if ".." in sub_path.split("/") or not root.is_dir():
        what = "does not exist" if not os.path.lexists(root) else "is no folder in it"
        raise ContextError(f"--context-sub-path: {printable(sub_path)} {what}")
    return replace(context, root=root)
