"""Git repositories that ADD takes files from, over http, https and git.

As BuildKit does: one commit is fetched without its history, submodules too. Other than elsewhere memory is
not bounded: dulwich holds whole objects, which takes some three times the size of the largest file.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import unquote, urlsplit, urlunsplit

import urllib3
from dulwich.client import GitClient, HTTPUnauthorized, TCPGitClient, Urllib3HttpGitClient
from dulwich.config import ConfigFile, StackedConfig, parse_submodules
from dulwich.errors import GitProtocolError, NotGitRepository
from dulwich.objects import Blob, Commit, ObjectID, Tag
from dulwich.refs import Ref
from dulwich.repo import Repo

from yadokari_builder.dockerfile.gitref import GitRef
from yadokari_builder.dockerfile.urls import without_credentials
from yadokari_builder.errors import ContextError
from yadokari_builder.sources.checkout import Checkout, write_index
from yadokari_builder.sources.web import DownloadError, warn_of_exposure

_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_MODULES = ".gitmodules"
_MAX_DEPTH = 10
_TRY_AGAIN = re.compile("http resp (?:429|5[0-9][0-9])")


@dataclass(frozen=True, slots=True)
class GitSource:
    """Fetches repositories into folders below `scratch`, which is on the host, and writes their files out."""

    http: urllib3.PoolManager
    scratch: Path

    def check_out(self, ref: GitRef, folder: Path, *, keep_git_dir: bool) -> None:
        """Write a repository's files into an empty folder, the subdirectory's alone where there is one.

        With `keep_git_dir` the folder is a repository, of one commit. Raises ContextError for what is not
        there or not as expected, DownloadError for the network.
        """
        _Fetch(self, ref).write(folder, keeps=keep_git_dir and not ref.subdir)


@dataclass(frozen=True, slots=True)
class _Fetch:
    source: GitSource
    ref: GitRef
    depth: int = 0

    @property
    def _name(self) -> str:
        return without_credentials(self.ref.remote)

    def write(self, folder: Path, *, keeps: bool = False) -> None:
        """Fetch, and write into `folder`; if it `keeps` what was fetched it is a repository itself."""
        make, path = (Repo.init, str(folder)) if keeps else (Repo.init_bare, mkdtemp(dir=self.source.scratch))
        # Whatever configuration lies around in the root is an image's.
        with make(path, config=StackedConfig([])) as repository:
            commit = self._fetch(repository)
            mtime = commit.commit_time if self.ref.mtime == "commit" else None
            checkout = Checkout(repository.object_store, self._name, mtime)
            checkout.write(checkout.subtree(commit.tree, self.ref.subdir), folder)
            if self.ref.submodules is not False:
                self._write_submodules(repository, commit, checkout)
            if keeps:
                Path(repository.controldir(), "HEAD").write_bytes(commit.id + b"\n")
                write_index(repository.index_path(), checkout)

    def _fetch(self, repository: Repo) -> Commit:
        with _explained(self._name):
            warn_of_exposure(self.ref.remote)
            client, path = _client(self.ref.remote, self.source.http)
            wanted = self._fetch_one(client, path, repository)
        commit = self._peel(repository, wanted)
        if self.ref.checksum and not commit.id.decode().startswith(self.ref.checksum):
            raise ContextError(
                f"{self._name}: expected checksum to match {self.ref.checksum}, got {commit.id.decode()}"
            )
        return commit

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
            client.fetch(path, repository, want, depth=1)
        except GitProtocolError:
            # Some servers give away only what a branch or a tag names.
            if not wanted or not _COMMIT.fullmatch(self.ref.ref):
                raise
            client.fetch(path, repository, want_all)
        return wanted[0]

    def _find(self, refs: Mapping[Ref, ObjectID]) -> ObjectID:
        """Find what is asked for among a server's refs; a branch goes before a tag, as for git checkout."""
        name = self.ref.ref or "HEAD"
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
            while isinstance(found, Tag):
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
        parts = urlsplit(self.ref.remote)
        return urlunsplit(parts._replace(path=posixpath.normpath(posixpath.join(parts.path, url))))


def _client(remote: str, http: urllib3.PoolManager) -> tuple[GitClient, str]:
    parts = urlsplit(remote)
    if parts.scheme in ("http", "https"):
        base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        user = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        return Urllib3HttpGitClient(base, pool_manager=http, username=user, password=password), parts.path
    if parts.scheme == "git" and parts.hostname:
        return TCPGitClient(parts.hostname, parts.port), parts.path
    raise ContextError(
        f"{without_credentials(remote)}: git repositories are fetched over https, http or git only:"
        " write it as https://HOST/PATH.git"
    )


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what dulwich and urllib3 raise into errors that name the repository and no credentials."""
    try:
        yield
    except HTTPUnauthorized:
        raise ContextError(f"{name}: the server wants credentials, or other ones") from None
    except NotGitRepository:
        raise ContextError(f"{name}: there is no git repository") from None
    except GitProtocolError as error:
        if isinstance(error.__cause__, OSError | urllib3.exceptions.HTTPError) or _TRY_AGAIN.search(
            str(error)
        ):
            raise DownloadError(
                f"{name} cannot be fetched: {type(error.__cause__ or error).__name__}"
            ) from None
        raise ContextError(f"{name}: the server did not give the repository away: {error}") from None
    except urllib3.exceptions.HTTPError as error:
        cause = getattr(error, "reason", None) or error
        raise DownloadError(f"{name} cannot be fetched: {type(cause).__name__}") from None
    except OSError as error:
        raise DownloadError(f"{name} cannot be fetched: {error.strerror or type(error).__name__}") from None
