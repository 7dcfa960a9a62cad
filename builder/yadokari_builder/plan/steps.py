"""What a stage does, instruction by instruction, with every variable already expanded."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from yadokari_builder.dockerfile.gitref import git_source
from yadokari_builder.dockerfile.instructions import Add, Copy, Instruction, Mount
from yadokari_builder.oci.config import History
from yadokari_builder.oci.reference import Reference


@dataclass(frozen=True, slots=True)
class ContextSource:
    """The build context."""


@dataclass(frozen=True, slots=True)
class StageSource:
    """The files of an earlier stage, as its last step left them."""

    index: int


@dataclass(frozen=True, slots=True)
class ImageSource:
    """The files of an image."""

    reference: Reference


@dataclass(frozen=True, slots=True)
class EmptySource:
    """No files at all: `--from=scratch`."""


Source = ContextSource | StageSource | ImageSource | EmptySource


class Files(IntEnum):
    """What a step or a stage needs of the files that it starts from; each needs what those before it do."""

    NONE = 0
    NAMES = 1
    """Names, folders and links, which tell where a copy goes, and what --chown and USER look up."""
    CONTENT = 2


@dataclass(frozen=True, slots=True)
class RunAction:
    """Run a process in the root; `script` is the content of a heredoc that is a program of its own."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    user: str
    working_dir: str
    mounts: tuple[tuple[Mount, Source | None], ...]
    network: str
    script: str | None = None


@dataclass(frozen=True, slots=True)
class CopyAction:
    """Copy files from a source into the root (COPY and ADD)."""

    instruction: Copy | Add
    source: Source
    working_dir: str


@dataclass(frozen=True, slots=True)
class WorkdirAction:
    """Make a directory, with its parents, where there is none; it belongs to `user`."""

    path: str
    user: str


Action = RunAction | CopyAction | WorkdirAction


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction of a stage.

    `action` is what it does to files, None where it changes the configuration alone; `history` is its entry
    in the image's history, None where it has none.
    """

    instruction: Instruction
    action: Action | None
    history: History | None

    @property
    def looks_up(self) -> bool:
        """Whether its action looks up accounts."""
        match self.action:
            case CopyAction(instruction=instruction):
                return not all(part.isdecimal() for part in instruction.chown.split(":") if instruction.chown)
            case WorkdirAction(user=user):
                return bool(user)
        return isinstance(self.action, RunAction)

    @property
    def needs(self) -> Files:
        """What its action needs of the files below."""
        match self.action:
            case None:
                return Files.NONE
            case CopyAction(instruction=Copy() as copy):
                return Files.NONE if copy.is_linked and not self.looks_up else Files.NAMES
            case WorkdirAction():
                return Files.NAMES
        # ADD is among them: a link in an archive may lead to a file that is there.
        return Files.CONTENT

    @property
    def needs_git(self) -> bool:
        """Whether it adds files of a git repository."""
        instruction = self.action.instruction if isinstance(self.action, CopyAction) else None
        return isinstance(instruction, Add) and any(map(git_source, instruction.sources))

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where its action takes files from."""
        match self.action:
            case CopyAction(source=source):
                return (source,)
            case RunAction(mounts=mounts):
                return tuple(source for _, source in mounts if source)
        return ()
