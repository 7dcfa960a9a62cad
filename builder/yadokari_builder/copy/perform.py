"""COPY and ADD actions, performed."""

import logging
import posixpath
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import urllib3

from yadokari_builder.copy.archives import is_archive, unpack_archive
from yadokari_builder.copy.destination import Destination, Written
from yadokari_builder.copy.transfer import Options, Transfer
from yadokari_builder.dockerfile.quoting import printable
from yadokari_builder.errors import ContextError, file_of
from yadokari_builder.layers.allowance import Allowance
from yadokari_builder.plan.steps import (
    Copied,
    CopyAction,
    GitFiles,
    InlineFile,
    LocalFiles,
    LocalPaths,
    WebFile,
)
from yadokari_builder.rootfs.accounts import find_owner
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.paths import normalise
from yadokari_builder.rootfs.tree import discard
from yadokari_builder.sources.ssh.access import SshAccess
from yadokari_builder.sources.tree import ROOT_OWNER, SourceTree, not_found
from yadokari_builder.sources.web import download, file_name
from yadokari_builder.sources.wildcards import find

logger = logging.getLogger(__name__)

_HEREDOC_MODE = 0o644
_FOLDER_MODE = 0o755


@dataclass(frozen=True, slots=True)
class Fetched:
    """The folder of what was fetched, and which commit it is of; empty where it is of none."""

    folder: Path
    commit: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Where an action copies to.

    `staging` is the stage's folder for what must not be written into the running root (see `Destination`),
    `scratch` one for temporary files; both are on the host and exist. `unpack_limit` is what an archive may
    take, in bytes (see `Allowance`). What has been fetched already is `kept`.
    """

    boundary: Boundary
    staging: Path
    scratch: Path
    unpack_limit: int = 0
    kept: Mapping[Copied, Fetched] = field(default_factory=lambda: MappingProxyType({}))

    def allowance(self) -> Allowance:
        """Return what one more archive or repository may take."""
        return Allowance(self.scratch, self.unpack_limit)


def copy_files(
    action: CopyAction, source: SourceTree, target: Target, http: urllib3.PoolManager, ssh: SshAccess
) -> Written:
    """Perform a COPY or ADD; its local files come from `source`, the others by `http`, git's also by `ssh`.

    Raises ContextError for files that are missing or in the way, DownloadError for the network,
    DockerfileError for an owner that cannot be looked up.
    """
    options = Options(
        owner=find_owner(action.owner, target.boundary.root) if action.owner else None,
        chmod=action.mode,
        exclude=action.exclude,
    )
    destination = Destination(target.boundary, target.staging, detached=action.is_linked)
    return _Copying(action, source, target, http, ssh, destination, options).run()


@dataclass(frozen=True, slots=True)
class _Copying:
    action: CopyAction
    source: SourceTree
    target: Target
    http: urllib3.PoolManager
    ssh: SshAccess
    destination: Destination
    options: Options

    def run(self) -> Written:
        target = self.target
        with _described(self.source.host("/").rstrip("/"), str(target.staging), target.boundary.prefix):
            for copied in self.action.copied:
                match copied:
                    case LocalFiles():
                        self._copy_local(copied)
                    case LocalPaths():
                        self._copy_with_parents(copied)
                    case WebFile():
                        self._add_web_file(copied)
                    case GitFiles():
                        self._add_git_files(copied)
                    case InlineFile():
                        self._copy_inline(copied)
        if refused := self.destination.refused:
            logger.warning(
                "the node refuses attributes of files, which are left out: %s",
                printable(", ".join(sorted(refused))),
            )
        written = self.destination.written()
        hidden = {target.boundary.barrier(staged.path): None for staged in written.staged}
        if hidden:
            logger.warning(
                "what is copied to %s goes into the image, but later steps do not see it:"
                " in this container a mount or the executor's own files are there",
                printable(", ".join(filter(None, hidden))),
            )
        return written

    def _copy_local(self, files: LocalFiles) -> None:
        for path in find(self.source, files.path):
            if not (files.unpack and self._unpack(self.source, path)):
                self._transfer(self.source).copy(path, self.action.destination)

    def _copy_with_parents(self, files: LocalPaths) -> None:
        transfer = self._transfer(self.source)
        found = [
            transfer.copy(path, self.action.destination, files.pattern)
            for path in find(self.source, files.top)
        ]
        if files.required and not any(found):
            raise not_found(self.source, files.required)

    def _add_web_file(self, web: WebFile) -> None:
        with self._fetched(web) as folder:
            tree = SourceTree(folder, owner=ROOT_OWNER)
            path = f"/{file_name(web.url)}"
            if not (web.unpack and self._unpack(tree, path)):
                self._transfer(tree).copy(path, self.action.destination)

    def _add_git_files(self, git: GitFiles) -> None:
        with self._fetched(git) as folder:
            tree = SourceTree(folder, owner=ROOT_OWNER)
            self._transfer(tree).copy("/", self.action.destination)

    def _copy_inline(self, inline: InlineFile) -> None:
        with _temporary(self.target.scratch) as folder:
            name = posixpath.basename(normalise(inline.name))
            file = folder / name
            file.write_bytes(inline.content.encode("utf-8", "surrogateescape"))
            file.chmod(_HEREDOC_MODE)
            tree = SourceTree(folder, owner=ROOT_OWNER)
            self._transfer(tree).copy(f"/{name}", self.action.destination)

    def _transfer(self, tree: SourceTree) -> Transfer:
        return Transfer(tree, self.destination, self.options)

    def _unpack(self, tree: SourceTree, path: str) -> bool:
        """Unpack a source if it is an archive; tell whether it was one."""
        found = tree.resolve(path)
        try:
            tree.lstat(found)
        except (FileNotFoundError, NotADirectoryError):
            raise not_found(tree, path) from None
        file = tree.host(found)
        if not is_archive(file):
            return False
        folder = self.destination.resolve(self.action.destination)
        self.destination.make_parents(folder, owner=self.options.owner)
        unpack_archive(Path(file), self.destination, folder, self.options.owner, self.target.allowance())
        return True

    @contextmanager
    def _fetched(self, copied: WebFile | GitFiles) -> Iterator[Path]:
        if kept := self.target.kept.get(copied):
            yield kept.folder
            return
        with _temporary(self.target.scratch) as folder:
            fetch(copied, folder, self.target, self.http, self.ssh)
            yield folder


def fetch(
    copied: WebFile | GitFiles, folder: Path, target: Target, http: urllib3.PoolManager, ssh: SshAccess
) -> Fetched:
    """Bring what is added from elsewhere into an empty folder; raises ContextError or DownloadError."""
    if isinstance(copied, WebFile):
        download(copied.url, folder, http, copied.checksum, target.allowance())
        return Fetched(folder)
    # Only builds that need it pay for loading a git client.
    from yadokari_builder.sources.git import GitSource

    with _temporary(target.scratch) as fetched:
        source = GitSource(http, fetched, ssh, allowance=target.allowance())
        found = source.check_out(copied.ref, folder, keep_git_dir=copied.keeps_git_dir)
    folder.chmod(_FOLDER_MODE)
    return Fetched(folder, found.commit)


def find_commit(copied: GitFiles, target: Target, http: urllib3.PoolManager, ssh: SshAccess) -> str:
    """Ask for the commit that a repository is to be fetched at; raises ContextError or DownloadError."""
    from yadokari_builder.sources.git import GitSource

    return GitSource(http, target.scratch, ssh).find_commit(copied.ref)


@contextmanager
def _temporary(parent: Path) -> Iterator[Path]:
    folder = tempfile.mkdtemp(dir=parent)
    try:
        yield Path(folder)
    finally:
        discard(folder)


@contextmanager
def _described(*roots: str) -> Iterator[None]:
    """Turn errors of the file system into errors that name the path as the Dockerfile sees it."""
    try:
        yield
    except OSError as error:
        path = file_of(error)
        path = next((path.removeprefix(root) for root in roots if path.startswith(f"{root}/")), path)
        raise ContextError(f"{path}: {error.strerror}" if path else f"copying: {error.strerror}") from error
