"""Build contexts that are git repositories: `https://HOST/PATH.git#REF:FOLDER` and kaniko's own form.

As BuildKit reads it, with what kaniko has beside it: `git://HOST/PATH` is fetched over https unless
GIT_PULL_METHOD says `http` or `git`, a commit may follow as in `#REF#COMMIT`, and GIT_TOKEN or GIT_USERNAME
and GIT_PASSWORD are credentials for the server that the context names.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

from yadokari_builder.dockerfile.gitref import GitRef, parse_git_ref
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.urls import without_credentials
from yadokari_builder.errors import ContextError
from yadokari_builder.sources.context import Context, Location, Surroundings
from yadokari_builder.sources.git import GitSource, Login
from yadokari_builder.sources.ssh.access import SshAccess
from yadokari_contract.spec import GitOptions

logger = logging.getLogger(__name__)

_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_GIT = "git://"
_METHODS = ("https", "http", "git")


def open_repository(location: Location, around: Surroundings) -> Context:
    """Check a commit out; the context is resolved to it. See `GitSource.check_out` for errors."""
    ref = read_ref(str(location), around.environment, around.git)
    folder = around.place.new_folder()
    login = _warned_login(ref.remote, around.environment, around.git)
    source = GitSource(around.repositories, around.place.scratch, around.ssh, login, around.allowance())
    found = source.check_out(ref, folder, keep_git_dir=bool(ref.keep_git_dir))
    return Context(folder, resolved=found.commit, time=found.time)


def find_commit(
    location: str,
    environment: Mapping[str, str],
    options: GitOptions,
    http: urllib3.PoolManager,
    ssh: SshAccess,
) -> str:
    """Ask a server for the commit that a context's location means now, without fetching it.

    One that is named in full is taken as it is. Raises what `open_repository` does.
    """
    ref = read_ref(location, environment, options)
    login = _warned_login(ref.remote, environment, options)
    nowhere = Path()  # nothing is fetched
    return GitSource(http, nowhere, ssh, login).find_commit(ref)


def read_ref(location: str, environment: Mapping[str, str], options: GitOptions) -> GitRef:
    """Read what a context names in git; raises ContextError."""
    text, commit = _split_commit(location)
    shown = without_credentials(location)
    try:
        ref = parse_git_ref(text)
    except LanguageError as error:
        raise ContextError(f"{shown}: {error.message}") from None
    if ref is None:
        raise ContextError(f"{shown}: this names no git repository")
    if ref.looks_local:
        ref = replace(ref, remote=f"https://{ref.remote}")
    if ref.remote.startswith(_GIT):
        method = environment.get("GIT_PULL_METHOD") or "https"
        if method not in _METHODS:
            raise ContextError(f"GIT_PULL_METHOD is {method!r}: it can be {', '.join(_METHODS)}")
        # kaniko fetches no submodules unless it is told to.
        wanted = options.recurse_submodules if ref.submodules is None else ref.submodules
        ref = replace(ref, remote=f"{method}://{ref.remote.removeprefix(_GIT)}", submodules=wanted)
    ref = _with_options(ref, options, shown)
    return replace(ref, ref=commit or ref.ref)


def read_login(remote: str, environment: Mapping[str, str]) -> Login | None:
    """Return the credentials of the environment for a repository's server, None where there are none."""
    token = environment.get("GIT_TOKEN", "")
    user = token or environment.get("GIT_USERNAME", "")
    password = "" if token else environment.get("GIT_PASSWORD", "")
    if not (user or password):
        return None
    parts = urlsplit(remote)
    return Login(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", user, password)


def _warned_login(remote: str, environment: Mapping[str, str], options: GitOptions) -> Login | None:
    login = read_login(remote, environment)
    is_plain = login is not None and login.site.startswith(("http:", "git:"))
    if login and (is_plain or options.insecure_skip_tls):
        how = "over plain HTTP" if is_plain else "without verifying certificates"
        logger.warning("%s gets credentials %s: anybody on the way can read them", login.site, how)
    return login


def _split_commit(location: str) -> tuple[str, str]:
    """Take kaniko's commit off."""
    text, *fragments = location.split("#")
    if len(fragments) < 2:
        return location, ""
    ref, commit, *more = fragments
    if more or not _COMMIT.fullmatch(commit):
        raise ContextError(
            f"{without_credentials(location)}: what follows the second # is a commit, in full: #REF#COMMIT"
        )
    return f"{text}#{ref}", commit


def _with_options(ref: GitRef, options: GitOptions, shown: str) -> GitRef:
    if options.depth or options.single_branch:
        logger.info("--git depth and single-branch change nothing: one commit is fetched, without history")
    if options.branch and ref.ref and options.branch != ref.ref:
        raise ContextError(f"{shown}: --git branch={options.branch}, but the context says {ref.ref}")
    return replace(ref, ref=ref.ref or options.branch)
