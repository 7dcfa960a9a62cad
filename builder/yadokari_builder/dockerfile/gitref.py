"""Git repositories as sources of ADD and as contexts.

    reference := remote [ "?" query ] [ "#" ref [ ":" subdirectory ] ]
    remote    := scheme "://" [ user "@" ] host "/" path | user "@" host ":" path | "github.com/" path

Over HTTP a remote must end in `.git`. `user@host:path` is ssh, as git has it.
"""

import posixpath
import re
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit, urlunsplit

from yadokari_builder.dockerfile.literals import parse_bool
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.quoting import quote
from yadokari_builder.dockerfile.urls import malformation
from yadokari_contract.references import GITHUB

_SCHEMES = ("http", "https", "ssh", "git")
_SCHEME = re.compile(r"([a-zA-Z0-9]+)://")
_SCP = re.compile(r"([a-zA-Z0-9-_]+@[a-zA-Z0-9-.]+:[^?#\n]*)(?:\?([^#\n]*))?(?:#([^\n]*))?")
_SWITCHES = {"keep-git-dir": "keep_git_dir", "submodules": "submodules", "fetch-by-commit": "fetch_by_commit"}
_KEYS = ("ref", "tag", "branch", "subdir", "checksum", "commit", "mtime", *_SWITCHES)


@dataclass(frozen=True, slots=True)
class GitRef:
    """A place in a git repository.

    `remote` is what git takes; `checksum` a commit that `ref` must be; `looks_local` tells that it could
    be a path as well (`github.com/...`, a context only); `fetch_by_commit` has `checksum` fetched, whatever
    `ref` is by now; None: not given.
    """

    remote: str
    ref: str = ""
    subdir: str = ""
    checksum: str = ""
    looks_local: bool = False
    keep_git_dir: bool | None = None
    submodules: bool | None = None
    fetch_by_commit: bool = False
    mtime: str = ""

    @property
    def host(self) -> str:
        """The host that the repository is fetched from; "" where none is named."""
        if is_scp(self.remote):
            return self.remote.partition("@")[2].partition(":")[0]
        return urlsplit(self.remote).hostname or ""


def is_scp(remote: str) -> bool:
    """Tell whether a remote is named as scp names a place: `user@host:path`."""
    return _SCP.fullmatch(remote) is not None


def parse_git_ref(text: str) -> GitRef | None:
    """Return what a text names in git; None if it is no git reference, a LanguageError for a bad query."""
    if text.startswith(("./", "../")):
        return None
    if scheme := _SCHEME.match(text):
        parsed = _parse_url(text) if scheme[1].lower() in _SCHEMES else None
    elif text.startswith(GITHUB):
        parsed = _parse_github(text)
    else:
        parsed = _parse_scp(text)
    if parsed is None:
        return None
    reference, fragment, query = parsed
    ref, _, subdir = fragment.partition(":")
    subdir = posixpath.normpath(f"/{subdir}").strip("/") if fragment else ""
    return _with_query(replace(reference, ref=ref, subdir=subdir), query)


def git_source(text: str) -> GitRef | None:
    """Return what a source of ADD names in git, None if it is none: what could be a path is one."""
    ref = parse_git_ref(text)
    return None if ref is None or ref.looks_local else ref


def with_checksum(ref: GitRef, checksum: str) -> GitRef:
    """Add what --checksum says to a reference; raises LanguageError where it says something else itself."""
    if checksum and not re.fullmatch("[0-9a-f]{7,64}", checksum):
        raise LanguageError(f"invalid checksum {quote(checksum)}: a commit is expected", checksum)
    if checksum and ref.checksum and checksum != ref.checksum:
        raise LanguageError(f"checksum mismatch {quote(checksum)} != {quote(ref.checksum)}", checksum)
    return replace(ref, checksum=ref.checksum or checksum)


_Parsed = tuple[GitRef, str, str]
"""A reference without details, its fragment and its query."""


def _parse_url(text: str) -> _Parsed | None:
    url = _split_url(text)
    if url is None or (url.scheme in ("http", "https") and not unquote(url.path).endswith(".git")):
        return None
    return GitRef(_remote(url)), *_details(url)


def _parse_github(text: str) -> _Parsed | None:
    url = _split_url(f"https://{text}")
    return (GitRef(_remote(url).partition("://")[2], looks_local=True), *_details(url)) if url else None


def _parse_scp(text: str) -> _Parsed | None:
    match = _SCP.fullmatch(text)
    if not match:
        return None
    return GitRef(match[1]), match[3] or "", match[2] or ""


def _split_url(text: str) -> SplitResult | None:
    return None if malformation(text) else urlsplit(text)


def _remote(url: SplitResult) -> str:
    return urlunsplit((url.scheme, url.netloc, url.path, "", ""))


def _details(url: SplitResult) -> tuple[str, str]:
    return unquote(url.fragment), url.query


def _with_query(reference: GitRef, query: str) -> GitRef:
    values: dict[str, str] = {}
    for key, given in parse_qs(query, keep_blank_values=True).items():
        if len(given) > 1:
            raise LanguageError(f"query {quote(key)} has multiple values", query)
        if not given[0] and key not in _SWITCHES:
            raise LanguageError(f"query {quote(key)} has no value", query)
        if key not in _KEYS:
            raise LanguageError(f"unexpected query {quote(key)}", query)
        values[key] = given[0]
    if "mtime" in values and values["mtime"] not in ("checkout", "commit"):
        raise LanguageError(
            f'invalid mtime value: {quote(values["mtime"])} (must be "checkout" or "commit")', query
        )
    reference = replace(
        reference,
        ref=_agreed("ref", reference.ref, values.get("ref", "")),
        subdir=_agreed("subdir", reference.subdir, values.get("subdir", "")),
        checksum=values.get("checksum", values.get("commit", "")),
        mtime=values.get("mtime", ""),
        keep_git_dir=_switch(values, "keep-git-dir"),
        submodules=_switch(values, "submodules"),
        fetch_by_commit=bool(_switch(values, "fetch-by-commit")),
    )
    return _with_ref_name(reference, values.get("tag", ""), values.get("branch", ""))


def _with_ref_name(reference: GitRef, tag: str, branch: str) -> GitRef:
    if tag and branch:
        raise LanguageError("branch conflicts with tag")
    for name, prefix in ((tag, "refs/tags/"), (branch, "refs/heads/")):
        if name:
            full = prefix + name.removeprefix(prefix)
            reference = replace(reference, ref=_agreed("ref", reference.ref, full))
    return reference


def _agreed(what: str, first: str, second: str) -> str:
    if first and second and first != second:
        raise LanguageError(f"{what} conflicts: {quote(first)} vs {quote(second)}")
    return second or first


def _switch(values: dict[str, str], key: str) -> bool | None:
    if key not in values:
        return None
    try:
        return parse_bool(values[key] or "true")
    except LanguageError:
        raise LanguageError(f"invalid {key} value: {quote(values[key])}") from None
