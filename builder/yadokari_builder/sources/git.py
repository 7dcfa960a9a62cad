"""Git repositories that ADD takes files from, and those that are contexts, over http, https, ssh and git.

As BuildKit does: one commit is fetched without its history, submodules too. dulwich holds whole objects,
which takes some three times the size of the largest file: there is a limit for these.
"""

import errno
import logging
import posixpath
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp
from urllib.parse import unquote, urlsplit, urlunsplit

import urllib3
from dulwich.client import GitClient, HTTPUnauthorized, SSHGitClient, TCPGitClient, Urllib3HttpGitClient
from dulwich.config import ConfigFile, StackedConfig, parse_submodules
from dulwich.errors import (
    ApplyDeltaError,
    ChecksumMismatch,
    FileFormatException,
    GitProtocolError,
    NotGitRepository,
)
from dulwich.objects import Blob, Commit, ObjectID, Tag
from dulwich.pack import UnresolvedDeltas
from dulwich.refs import Ref
from dulwich.repo import Repo

from yadokari_builder.dockerfile.gitref import GitRef, is_scp
from yadokari_builder.dockerfile.quoting import printable
from yadokari_builder.dockerfile.urls import without_credentials
from yadokari_builder.errors import ContextError, DownloadError
from yadokari_builder.layers.allowance import Allowance, TooLargeError
from yadokari_builder.registry.http.transport import describe_failure
from yadokari_builder.sources.checkout import Checkout, write_index
from yadokari_builder.sources.pack import require_small_objects
from yadokari_builder.sources.ssh.access import SshAccess
from yadokari_builder.sources.ssh.vendor import SshVendor, server_of
from yadokari_builder.sources.web import warn_of_exposure

logger = logging.getLogger(__name__)

_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_Wants = Callable[..., list[ObjectID]]
"""Chooses objects by a server's refs."""

_SSH = "ssh://"
_MODULES = ".gitmodules"
_PEELED = b"^{}"
_MAX_DEPTH = 10
# Tags of tags.
_MOST_TAGS = 10
# In bytes; GitHub, for one, takes no larger ones than 100 MiB.
_LARGEST_FILE = 128 << 20
_TRY_AGAIN = re.compile("http resp (?:429|5[0-9][0-9])")


@dataclass(frozen=True, slots=True)
class Login:
    """Credentials for one server, `site` (scheme, host and port as in URLs); no other one gets them."""

    site: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class GitSource:
    """Fetches repositories into folders below `scratch`, which is on the host, and writes their files out.

    Credentials in a URL come before `login`. What is fetched and written is taken from the `allowance`.
    """

    http: urllib3.PoolManager
    scratch: Path
    ssh: SshAccess
    login: Login | None = None
    allowance: Allowance | None = None

    def check_out(self, ref: GitRef, folder: Path, *, keep_git_dir: bool) -> "CheckedOut":
        """Write a repository's files into an empty folder, the subdirectory's alone where there is one.

        With `keep_git_dir` the folder is a repository, of one commit. Raises ContextError for what is not
        there or not as expected, DownloadError for the network.
        """
        with _sound(without_credentials(ref.remote)):
            return _Fetch(self, ref).write(folder, keeps=keep_git_dir and not ref.subdir)

    def find_commit(self, ref: GitRef) -> str:
        """Ask for the commit that is meant, without fetching it; raises what `check_out` does."""
        return _Fetch(self, ref).find_commit()


@dataclass(frozen=True, slots=True)
class CheckedOut:
    """A commit whose files were written, and when it was made, in seconds since 1970."""

    commit: str
    time: int


@dataclass(frozen=True, slots=True)
class _Fetch:
    source: GitSource
    ref: GitRef
    depth: int = 0

    @property
    def _name(self) -> str:
        return without_credentials(self.ref.remote)

    @property
    def _wanted(self) -> str:
        """What is asked for: a ref or a commit; the commit that it must be where it is to be fetched so."""
        by_commit = self.ref.fetch_by_commit and _COMMIT.fullmatch(self.ref.checksum)
        return self.ref.checksum if by_commit else self.ref.ref or "HEAD"

    def write(self, folder: Path, *, keeps: bool = False) -> "CheckedOut":
        """Fetch, and write into `folder`; if it `keeps` what was fetched it is a repository itself."""
        make, path = (Repo.init, str(folder)) if keeps else (Repo.init_bare, mkdtemp(dir=self.source.scratch))
        # Whatever configuration lies around in the root is an image's.
        with make(path, config=StackedConfig([])) as repository:
            commit = self._fetch(repository)
            mtime = commit.commit_time if self.ref.mtime == "commit" else None
            checkout = Checkout(repository.object_store, self._name, mtime, self.source.allowance)
            checkout.write(checkout.subtree(commit.tree, self.ref.subdir), folder)
            if checkout.pointers:
                logger.warning(
                    "%s: content that Git LFS keeps is not fetched, its pointers stand in its place:"
                    " %s (%d in all)",
                    self._name, printable(checkout.pointers[0]), len(checkout.pointers),
                )  # fmt: skip
            if self.ref.submodules is not False:
                self._write_submodules(repository, commit, checkout)
            if keeps:
                Path(repository.controldir(), "HEAD").write_bytes(commit.id + b"\n")
                write_index(repository.index_path(), checkout)
            return CheckedOut(commit.id.decode(), commit.commit_time)

    def _fetch(self, repository: Repo) -> Commit:
        with _explained(self._name):
            warn_of_exposure(self.ref.remote)
            with _client(self.ref.remote, self.source) as (client, path):
                wanted = self._fetch_one(client, path, repository)
        commit = self._peel(repository, wanted)
        self._check(commit.id.decode())
        return commit

    def find_commit(self) -> str:
        """Ask the server what is wanted; an annotated tag stands for its commit."""
        with _explained(self._name):
            warn_of_exposure(self.ref.remote)
            with _client(self.ref.remote, self.source) as (client, path):
                refs = {name: sha for name, sha in client.get_refs(path.encode()).refs.items() if sha}
            commit = self._find({**refs, **_peeled(refs)}).decode()
        self._check(commit)
        return commit

    def _check(self, commit: str) -> None:
        if self.ref.checksum and not commit.startswith(self.ref.checksum):
            raise ContextError(f"{self._name}: expected checksum to match {self.ref.checksum}, got {commit}")

    def _fetch_one(self, client: GitClient, path: str, repository: Repo) -> ObjectID:
        wanted: list[ObjectID] = []

        def want(refs: Mapping[Ref, ObjectID], depth: int | None = None) -> list[ObjectID]:  # noqa: ARG001
            wanted[:] = [self._find(refs)]
            return wanted

        def want_all(refs: Mapping[Ref, ObjectID], depth: int | None = None) -> list[ObjectID]:  # noqa: ARG001
            return list(
                {sha for name, sha in refs.items() if name.startswith((b"refs/heads/", b"refs/tags/"))}
            )

        try:
            self._receive(client, path, repository, want, 1)
        except GitProtocolError:
            # Some servers give away only what a branch or a tag names.
            if not wanted or not _COMMIT.fullmatch(self._wanted):
                raise
            self._receive(client, path, repository, want_all, None)
        return wanted[0]

    def _receive(
        self, client: GitClient, path: str, repository: Repo, want: _Wants, depth: int | None
    ) -> None:
        with TemporaryFile(dir=self.source.scratch) as pack:

            def keep(data: bytes) -> int:
                if self.source.allowance:
                    self.source.allowance.take(len(data))
                return pack.write(data)

            result = client.fetch_pack(path, want, repository.get_graph_walker(), keep, depth=depth)
            if pack.tell():
                pack.seek(0)
                require_small_objects(pack, _LARGEST_FILE, self._name)
                pack.seek(0)
                repository.object_store.add_thin_pack(pack.read, None)
            repository.update_shallow(result.new_shallow, result.new_unshallow)

    def _find(self, refs: Mapping[Ref, ObjectID]) -> ObjectID:
        """Find what is asked for among a server's refs; a branch goes before a tag, as for git checkout."""
        name = self._wanted
        for prefix in ("", "refs/heads/", "refs/tags/", "refs/"):
            found = refs.get(Ref(f"{prefix}{name}".encode()))
            if found is not None and (prefix or name == "HEAD" or name.startswith("refs/")):
                return found
        if _COMMIT.fullmatch(name):
            return ObjectID(name.encode())
        raise ContextError(f"{self._name}: repository does not contain ref {name}")

    def _peel(self, repository: Repo, sha: ObjectID) -> Commit:
        try:
            found = repository[sha]
            for _ in range(_MOST_TAGS):
                if not isinstance(found, Tag):
                    break
                found = repository[found.object[1]]
        except KeyError:
            raise ContextError(f"{self._name}: repository does not contain {sha.decode()}") from None
        if not isinstance(found, Commit):
            raise ContextError(f"{self._name}: {sha.decode()} is no commit")
        return found

    def _write_submodules(self, repository: Repo, commit: Commit, checkout: Checkout) -> None:
        if not checkout.links:
            return
        if self.depth == _MAX_DEPTH:
            raise ContextError(f"{self._name}: submodules are nested too deeply")
        urls = self._submodule_urls(repository, checkout, commit.tree)
        for path, (folder, sha) in checkout.links.items():
            inside = posixpath.join(self.ref.subdir, path)
            if inside not in urls:
                raise ContextError(f"{self._name}: no URL is given in {_MODULES} for the submodule {inside}")
            module = GitRef(self._absolute(urls[inside]), ref=sha.decode(), mtime=self.ref.mtime)
            _Fetch(self.source, module, self.depth + 1).write(folder)

    def _submodule_urls(self, repository: Repo, checkout: Checkout, tree: ObjectID) -> dict[str, str]:
        found = checkout.find(tree, _MODULES)
        blob = repository[found] if found else None
        if not isinstance(blob, Blob):
            return {}
        try:
            config = ConfigFile.from_file(BytesIO(blob.data), expand_includes=False)
            return {path.decode(): url.decode() for path, url, _ in parse_submodules(config)}
        except (ValueError, KeyError) as error:
            raise ContextError(f"{self._name}: {_MODULES} cannot be read: {error}") from None

    def _absolute(self, url: str) -> str:
        """Return a submodule's URL; one that starts with dots is relative to the repository's own."""
        if not url.startswith(("./", "../")):
            return url
        if is_scp(self.ref.remote):
            site, _, path = self.ref.remote.partition(":")
            return f"{site}:{_joined(path, url)}"
        parts = urlsplit(self.ref.remote)
        return urlunsplit(parts._replace(path=_joined(parts.path, url)))


def _joined(path: str, relative: str) -> str:
    return posixpath.normpath(posixpath.join(path, relative))


def _peeled(refs: Mapping[Ref, ObjectID]) -> Mapping[Ref, ObjectID]:
    """Return what annotated tags stand for, by the tags' own names."""
    return {Ref(name.removesuffix(_PEELED)): sha for name, sha in refs.items() if name.endswith(_PEELED)}


@contextmanager
def _client(remote: str, source: GitSource) -> Iterator[tuple[GitClient, str]]:
    """Yield what speaks to a repository's server, and the repository's path there."""
    if is_scp(remote) or remote.startswith(_SSH):
        server, path = server_of(remote)
        with closing(SshVendor(server, source.ssh)) as vendor:
            yield SSHGitClient(server.host, vendor=vendor), path
    else:
        yield _client_of_url(remote, source)


def _client_of_url(remote: str, source: GitSource) -> tuple[GitClient, str]:
    parts = urlsplit(remote)
    if parts.scheme in ("http", "https") and parts.hostname:
        base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        user = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        if user is None and source.login and source.login.site == base:
            user, password = source.login.user, source.login.password
        client = Urllib3HttpGitClient(base, pool_manager=source.http, username=user, password=password)
        return client, parts.path
    if parts.scheme == "git" and parts.hostname:
        return TCPGitClient(parts.hostname, parts.port), parts.path
    raise ContextError(
        f"{without_credentials(remote)}: git repositories are fetched over https, http, ssh or git only:"
        " write it as https://HOST/PATH.git"
    )


# What dulwich raises for objects that are none; among it are mistakes of its own, which these bring to light.
_BROKEN = (
    *(FileFormatException, ChecksumMismatch, ApplyDeltaError, UnresolvedDeltas),
    *(AssertionError, AttributeError, LookupError, TypeError, ValueError, ArithmeticError, zlib.error),
)
# What only names and links of a repository can cause, not the machine.
_IMPOSSIBLE = frozenset({errno.ENAMETOOLONG, errno.ENOENT, errno.EINVAL, errno.ELOOP, errno.ENOTDIR})


@contextmanager
def _sound(name: str) -> Iterator[None]:
    """Turn what objects by strangers cause in dulwich, or in the file system, into errors in words."""
    try:
        yield
    except _BROKEN as error:
        raise ContextError(f"{name}: what the server sent is broken: {type(error).__name__}") from error
    except OSError as error:
        if error.errno not in _IMPOSSIBLE:
            raise
        raise ContextError(f"{name}: it cannot be written: {error.strerror}") from error


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what dulwich and urllib3 raise into errors that name the repository and no credentials."""
    try:
        yield
    except TooLargeError as error:
        raise ContextError(f"{name}: {error.message}") from None
    except HTTPUnauthorized:
        raise ContextError(f"{name}: the server wants credentials, or other ones") from None
    except NotGitRepository:
        raise ContextError(f"{name}: there is no git repository") from None
    except GitProtocolError as error:
        if isinstance(error.__cause__, OSError | urllib3.exceptions.HTTPError) or _TRY_AGAIN.search(
            str(error)
        ):
            raise DownloadError(f"{name} cannot be fetched: {_why(error.__cause__ or error)}") from None
        raise ContextError(
            f"{name}: the server did not give the repository away: {printable(str(error))}"
        ) from None
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise DownloadError(f"{name} cannot be fetched: {_why(error)}") from None


def _why(cause: BaseException) -> str:
    if isinstance(cause, urllib3.exceptions.MaxRetryError) and cause.reason:
        return describe_failure(cause.reason)
    return getattr(cause, "strerror", None) or type(cause).__name__
