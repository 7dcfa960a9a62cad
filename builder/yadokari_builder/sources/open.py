"""Where a build context is: the scheme of its location says what opens it."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from yadokari_builder.dockerfile.gitref import parse_git_ref
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.quoting import printable
from yadokari_builder.errors import ContextError, described
from yadokari_builder.rootfs.paths import resolve
from yadokari_builder.sources.archive import open_archive
from yadokari_builder.sources.artifact import open_artifact
from yadokari_builder.sources.context import Context, Location, Surroundings
from yadokari_builder.sources.directory import open_directory
from yadokari_builder.sources.web import host_of
from yadokari_builder.sources.web_archive import open_web_archive

_LOCATION = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*)://)?(.*)", re.DOTALL)
_AZURE = re.compile(
    r"[a-z0-9-]+\.blob\.core\.(?:windows\.net|chinacloudapi\.cn|usgovcloudapi\.net|cloudapi\.de)"
)

Opener = Callable[[Location, Surroundings], Context]
"""Opens the contexts of a scheme; raises ContextError, and DownloadError where trying again may help."""


def _open_path(location: Location, around: Surroundings) -> Context:
    # As in BuildKit, github.com/PATH and USER@HOST:PATH are repositories; here only where no such folder is.
    if _is_repository(location) and not os.path.lexists(around.place.cwd / location.rest):
        return _open_repository(location, around)
    return open_directory(location, around)


def _open_web(location: Location, around: Surroundings) -> Context:
    if _is_repository(location):
        return _open_repository(location, around)
    if location.scheme == "https" and _AZURE.fullmatch(host_of(str(location))):
        return _open_azure(location, around)
    return open_web_archive(location, around)


def _open_repository(location: Location, around: Surroundings) -> Context:
    # Only builds that need it pay for loading a git client.
    from yadokari_builder.sources.repository import open_repository

    return open_repository(location, around)


def _open_bucket(location: Location, around: Surroundings) -> Context:
    from yadokari_builder.sources.bucket.open import open_bucket

    return open_bucket(location, around)


def _open_azure(location: Location, around: Surroundings) -> Context:
    from yadokari_builder.sources.bucket.open import open_azure

    return open_azure(location, around)


_OPENERS: Mapping[str, Opener] = {
    "": _open_path,
    "dir": open_directory,
    "tar": open_archive,
    "https": _open_web,
    "http": _open_web,
    "oci": open_artifact,
    "git": _open_repository,
    "ssh": _open_repository,
    "s3": _open_bucket,
    "gs": _open_bucket,
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


def _is_repository(location: Location) -> bool:
    try:
        return parse_git_ref(str(location).partition("#")[0]) is not None
    except LanguageError:
        return True  # one with a query that cannot be


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
