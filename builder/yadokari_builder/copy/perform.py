"""COPY and ADD instructions, performed."""

import logging
import os
import posixpath
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import urllib3

from yadokari_builder.copy.archives import is_archive, unpack_archive
from yadokari_builder.copy.destination import Destination, Staged
from yadokari_builder.copy.transfer import Options, Transfer
from yadokari_builder.dockerfile.checksum import Checksum
from yadokari_builder.dockerfile.chmod import ModeChange
from yadokari_builder.dockerfile.filepath_match import has_wildcards
from yadokari_builder.dockerfile.gitref import GitRef, git_source, with_checksum
from yadokari_builder.dockerfile.ignore import IgnorePatterns
from yadokari_builder.dockerfile.instructions import Add, Copy, Heredoc
from yadokari_builder.dockerfile.location import blaming
from yadokari_builder.errors import ContextError, DockerfileError
from yadokari_builder.rootfs.accounts import find_owner
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.paths import normalise
from yadokari_builder.sources.tree import ROOT_OWNER, SourceTree, not_found
from yadokari_builder.sources.web import download, is_url
from yadokari_builder.sources.wildcards import find

logger = logging.getLogger(__name__)

_HEREDOC_MODE = 0o644
_FOLDER_MODE = 0o755


@dataclass(frozen=True, slots=True)
class Target:
    """Where an instruction copies to.

    `staging` is the stage's folder for what must not be written into the running root (see `Destination`),
    `scratch` one for temporary files; both are on the host and exist.
    """

    boundary: Boundary
    working_dir: str
    staging: Path
    scratch: Path


@dataclass(frozen=True, slots=True)
class CopyOutcome:
    """What an instruction wrote: in-root paths in the root, and files of the layer that are elsewhere.

    Folders that stood there before are among them only if their metadata changed.
    """

    touched: tuple[str, ...]
    staged: tuple[Staged, ...]


def copy_files(
    instruction: Copy | Add, source: SourceTree, target: Target, http: urllib3.PoolManager
) -> CopyOutcome:
    """Perform a COPY or ADD whose words are expanded.

    Raises DockerfileError for what is wrong with the instruction, ContextError for files that are missing or
    in the way, DownloadError for the network.
    """
    with blaming(instruction.location, instruction.original):
        return _Copying.of(instruction, source, target, http).run()


@dataclass(frozen=True, slots=True)
class _Copying:
    instruction: Copy | Add
    source: SourceTree
    target: Target
    http: urllib3.PoolManager
    destination: Destination
    place: str
    options: Options

    @classmethod
    def of(
        cls, instruction: Copy | Add, source: SourceTree, target: Target, http: urllib3.PoolManager
    ) -> "_Copying":
        options = Options(
            owner=find_owner(instruction.chown, target.boundary.root) if instruction.chown else None,
            chmod=ModeChange.parse(instruction.chmod) if instruction.chmod else None,
            exclude=IgnorePatterns.of(instruction.exclude) if instruction.exclude else None,
        )
        return cls(
            instruction=instruction,
            source=source,
            target=target,
            http=http,
            destination=Destination(target.boundary, target.staging, detached=instruction.is_linked),
            place=destination_path(instruction.destination, target.working_dir),
            options=options,
        )

    def run(self) -> CopyOutcome:
        for word in self.instruction.sources:
            self._refuse_remote(word)
        checksum = self._checksum()
        with _described(self.target.boundary):
            for word in self.instruction.sources:
                if git := git_source(word):
                    self._add_git(git)
                elif is_url(word):
                    self._add_url(word, checksum)
                elif isinstance(self.instruction, Copy) and self.instruction.parents:
                    self._copy_with_parents(word)
                else:
                    self._copy_local(word)
            for heredoc in self.instruction.heredocs:
                self._copy_heredoc(heredoc)
        if refused := self.destination.refused:
            logger.warning(
                "the node refuses attributes of files, which are left out: %s", ", ".join(sorted(refused))
            )
        outcome = CopyOutcome(self.destination.written(), self.destination.staged())
        if outcome.staged:
            logger.warning(
                "%s and what is below go into the image, but later steps do not see them:"
                " in this container the path is a mount or the executor's own",
                outcome.staged[0].path,
            )
        return outcome

    def _refuse_remote(self, word: str) -> None:
        """Refuse sources that COPY cannot have, and a flag that means nothing for a source of ADD."""
        if isinstance(self.instruction, Copy) and (git_source(word) or is_url(word)):
            raise DockerfileError(f"source can't be a {'git ref' if git_source(word) else 'URL'} for COPY")
        if isinstance(self.instruction, Add) and self.instruction.unpack is not None and git_source(word):
            raise DockerfileError("--unpack is for archives: a git source comes as files; remove the flag")

    def _checksum(self) -> Checksum | None:
        if isinstance(self.instruction, Copy) or not self.instruction.checksum:
            return None
        if len(self.instruction.sources) != 1:
            raise DockerfileError("checksum can't be specified for multiple sources")
        if git_source(self.instruction.sources[0]):
            return None
        if not is_url(self.instruction.sources[0]):
            raise DockerfileError("checksum requires HTTP(S) or Git sources")
        return Checksum.parse(self.instruction.checksum)

    def _copy_local(self, word: str) -> None:
        unpacks = isinstance(self.instruction, Add) and self.instruction.unpack is not False
        for path in find(self.source, normalise(word)):
            if not (unpacks and self._unpack(self.source, path)):
                self._transfer(self.source, self.options).copy(path, self.place)

    def _copy_with_parents(self, word: str) -> None:
        top, pivot, pattern = word.partition("/./")
        if not pivot:
            top, pattern = "", word
        top, pattern = normalise(top), normalise(pattern)
        options = Options(
            owner=self.options.owner,
            chmod=self.options.chmod,
            include=IgnorePatterns.of([pattern[1:]]),
            exclude=self.options.exclude,
        )
        found = False
        for path in find(self.source, top):
            transfer = self._transfer(self.source, options)
            transfer.copy(path, self.place)
            found = found or transfer.found
        if not found and not has_wildcards(top + pattern):
            raise not_found(self.source, normalise(top + pattern))

    def _add_url(self, url: str, checksum: Checksum | None) -> None:
        with self._scratch() as folder:
            file = download(url, folder, self.http, checksum)
            tree = SourceTree(folder, owner=ROOT_OWNER)
            path = f"/{file.name}"
            unpacks = isinstance(self.instruction, Add) and self.instruction.unpack is True
            if not (unpacks and self._unpack(tree, path)):
                self._transfer(tree, self.options).copy(path, self.place)

    def _add_git(self, ref: GitRef) -> None:
        assert isinstance(self.instruction, Add)
        # Only builds that need it pay for loading a git client.
        from yadokari_builder.sources.git import GitSource

        keep = ref.keep_git_dir if self.instruction.keep_git_dir is None else self.instruction.keep_git_dir
        with self._scratch() as fetched, self._scratch() as folder:
            ref = with_checksum(ref, self.instruction.checksum)
            GitSource(self.http, fetched).check_out(ref, folder, keep_git_dir=bool(keep))
            folder.chmod(_FOLDER_MODE)
            self._transfer(SourceTree(folder, owner=ROOT_OWNER), self.options).copy("/", self.place)

    def _copy_heredoc(self, heredoc: Heredoc) -> None:
        with self._scratch() as folder:
            name = posixpath.basename(normalise(heredoc.name))
            file = folder / name
            file.write_bytes(heredoc.content.encode("utf-8", "surrogateescape"))
            file.chmod(_HEREDOC_MODE)
            self._transfer(SourceTree(folder, owner=ROOT_OWNER), self.options).copy(f"/{name}", self.place)

    def _transfer(self, tree: SourceTree, options: Options) -> Transfer:
        return Transfer(tree, self.destination, options)

    def _unpack(self, tree: SourceTree, path: str) -> bool:
        """Unpack a source if it is an archive; tell whether it was one."""
        origin = tree.resolve(path)
        try:
            tree.lstat(origin)
        except (FileNotFoundError, NotADirectoryError):
            raise not_found(tree, path) from None
        file = tree.host(origin)
        if not is_archive(file):
            return False
        folder = self.destination.resolve(self.place)
        self.destination.make_parents(folder, owner=self.options.owner)
        unpack_archive(Path(file), self.destination, folder, self.options.owner)
        return True

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self.target.scratch) as folder:
            yield Path(folder)


def destination_path(word: str, working_dir: str) -> str:
    """Return an absolute destination; a slash, or a slash and a dot, at its end stay: they ask for a folder.

    Nothing and `.` are the working directory.
    """
    if word in ("", "."):
        word = "./"
    path = normalise(posixpath.join("/", working_dir, word))
    if word.endswith("/"):
        return path.rstrip("/") + "/"
    return path.rstrip("/") + "/." if word.endswith("/.") else path


@contextmanager
def _described(boundary: Boundary) -> Iterator[None]:
    """Turn errors of the file system into errors that name the path as the Dockerfile sees it."""
    try:
        yield
    except OSError as error:
        path = os.fsdecode(error.filename or "").removeprefix(boundary.prefix)
        raise ContextError(f"{path}: {error.strerror}" if path else f"copying: {error.strerror}") from error
