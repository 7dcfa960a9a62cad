"""What steps take from elsewhere, named by its content."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Self

from yadokari_builder.cache.steps.content import MOST_LISTED, Hashing
from yadokari_builder.cache.steps.key import name_in, name_of, name_of_download, name_without_looking, takes
from yadokari_builder.cache.steps.known import KnownDigests
from yadokari_builder.copy.perform import Fetched
from yadokari_builder.dockerfile.chmod import ModeChange
from yadokari_builder.dockerfile.ignore import IgnorePatterns
from yadokari_builder.dockerfile.quoting import printable
from yadokari_builder.errors import BuilderError
from yadokari_builder.plan.steps import (
    ContextSource,
    Copied,
    CopyAction,
    GitFiles,
    ImageSource,
    LocalFiles,
    LocalPaths,
    Source,
    StageSource,
    Step,
    WebFile,
)
from yadokari_builder.sources.tree import ROOT_OWNER, SourceTree
from yadokari_builder.sources.web import file_name

_SHA256 = "sha256"

_Known = tuple[Source, str, ModeChange | None]
"""What is taken of a source: the name of what was asked for, and how modes are changed."""


@dataclass(slots=True)
class Takings:
    """Names what steps take; nothing is read twice. Leaving the context ends reading ahead.

    `tree` opens a source, `fetched` returns what is added from elsewhere, and `commit_of` of which commit a
    repository's files are going to be. What is `known` of files of the context is not read again.
    """

    tree: Callable[[Source], SourceTree]
    fetched: Callable[[WebFile | GitFiles], Fetched]
    commit_of: Callable[[GitFiles], str]
    known: KnownDigests | None = None
    _known: dict[_Known, "Future[str]"] = field(default_factory=dict)
    _listings: dict[_Known, dict[str, str]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _left: Event = field(default_factory=Event)
    _reader: Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        if self._reader:
            self._reader.join()

    def read_ahead(self, steps: Iterable[Step]) -> None:
        """Begin to name what steps take of the context, beside what the build does.

        It stays as it is until they take it: no step may change it. What is wrong with it is theirs to say.
        """
        wanted = [
            (copied, source, step)
            for step in steps
            for copied, source in takes(step)
            if isinstance(source, ContextSource)
        ]
        if wanted and not self._reader:
            self._reader = Thread(target=self._read, args=(wanted,), name="read", daemon=True)
            self._reader.start()

    def without_looking(
        self, step: Step, name_of_source: Callable[[Source], str | None]
    ) -> tuple[str, ...] | None:
        """Name what a step takes, that of stages and images by these, and of repositories by the commit.

        None where a stage has no name yet.
        """
        names = []
        for copied, source in takes(step):
            if isinstance(source, StageSource | ImageSource):
                name = name_of_source(source)
                if name is None:
                    return None
                names.append(name_in(name, copied, _exclude(step)))
            elif isinstance(copied, GitFiles):
                names.append(
                    name_without_looking(copied, _exclude(step))
                    or self._name_by_commit(copied, _exclude(step))
                )
            else:
                names.append(self._name(copied, source, step))
        return tuple(names)

    def by_content(self, step: Step) -> tuple[str, ...]:
        """Name what a step takes by its content, whose files are read; raises what reading them does."""
        return tuple(self._name(copied, source, step) for copied, source in takes(step))

    def listing(self, step: Step) -> Mapping[str, str]:
        """Tell apart the files that a step takes of the context; empty where there are none, or too many."""
        files: dict[str, str] = {}
        for copied, source in takes(step):
            if isinstance(copied, LocalFiles | LocalPaths) and isinstance(source, ContextSource):
                files |= self._listings.get(_known_by(copied, source, step), {})
        # An entry has no names that are not UTF-8.
        return {printable(name): file for name, file in files.items()} if len(files) < MOST_LISTED else {}

    def forget_stages(self) -> None:
        """Forget what was read of stages: they are built again."""
        with self._lock:
            stages = [known for known in self._known if isinstance(known[0], StageSource)]
            for known in stages:
                del self._known[known]

    def _read(self, wanted: Iterable[tuple[Copied, Source, Step]]) -> None:
        for copied, source, step in wanted:
            with suppress(BuilderError, OSError):
                self._name(copied, source, step)

    def _name(self, copied: Copied, source: Source | None, step: Step) -> str:
        if (name := name_without_looking(copied, _exclude(step))) is not None:
            return name
        if isinstance(copied, WebFile | GitFiles):
            return self._name_of_fetched(copied, _exclude(step))
        assert isinstance(copied, LocalFiles | LocalPaths)
        assert source is not None
        known = _known_by(copied, source, step)
        mine: Future[str] = Future()
        with self._lock:
            digest = self._known.setdefault(known, mine)
        if digest is mine:
            try:
                mine.set_result(self._digest(known, copied, _exclude(step)))
            except BaseException as error:
                # Who asks again has it looked at again.
                with self._lock:
                    self._known.pop(known, None)
                mine.set_exception(error)
        return digest.result()

    def _digest(self, known: _Known, copied: LocalFiles | LocalPaths, exclude: IgnorePatterns | None) -> str:
        source, _, mode = known
        listing = self._listings.setdefault(known, {})
        with Hashing(self.known if isinstance(source, ContextSource) else None, self._left) as hashing:
            return hashing.digest(self.tree(source), copied, exclude, listing, mode)

    def _name_of_fetched(self, copied: WebFile | GitFiles, exclude: IgnorePatterns | None) -> str:
        if isinstance(copied, WebFile) and copied.checksum and copied.checksum.algorithm == _SHA256:
            return name_of_download(file_name(copied.url), str(copied.checksum), unpack=copied.unpack)
        folder = self.fetched(copied).folder
        if isinstance(copied, WebFile):
            name = file_name(copied.url)
            return name_of_download(name, f"{_SHA256}:{_sha256(folder / name)}", unpack=copied.unpack)
        with Hashing() as hashing:
            digest = hashing.digest(SourceTree(folder, owner=ROOT_OWNER), LocalFiles("/"), exclude)
        return name_of("checkout", digest)

    def _name_by_commit(self, copied: GitFiles, exclude: IgnorePatterns | None) -> str:
        """Name a repository's files as if the Dockerfile had given the commit.

        It is asked for again once it is fetched: a branch may have moved meanwhile.
        """
        pinned = replace(copied, ref=replace(copied.ref, checksum=self.commit_of(copied)))
        name = name_without_looking(pinned, exclude)
        assert name is not None
        return name


def looks_elsewhere(step: Step) -> bool:
    """Tell whether a step takes files that have a name before they are looked at.

    They are those of other stages, of images, and of branches and tags of repositories.
    """
    return any(
        isinstance(source, StageSource | ImageSource)
        or (isinstance(copied, GitFiles) and name_without_looking(copied, _exclude(step)) is None)
        for copied, source in takes(step)
    )


def _known_by(copied: LocalFiles | LocalPaths, source: Source, step: Step) -> _Known:
    mode = step.action.mode if isinstance(step.action, CopyAction) else None
    return source, name_in("", copied, _exclude(step)), mode


def _exclude(step: Step) -> IgnorePatterns | None:
    return step.action.exclude if isinstance(step.action, CopyAction) else None


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, _SHA256).hexdigest()
