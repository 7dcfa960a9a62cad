"""What a stage does, instruction by instruction: every variable expanded, every argument understood."""

from dataclasses import dataclass, field
from enum import IntEnum

from yadokari_builder.dockerfile.checksum import Checksum
from yadokari_builder.dockerfile.chmod import ModeChange
from yadokari_builder.dockerfile.gitref import GitRef
from yadokari_builder.dockerfile.ignore import IgnorePatterns
from yadokari_builder.dockerfile.instructions import Instruction
from yadokari_builder.oci.config import History
from yadokari_builder.oci.reference import Reference
from yadokari_builder.plan.environment import Environment
from yadokari_builder.registry.pull import PulledImage


@dataclass(frozen=True, slots=True)
class ContextSource:
    """The build context."""


@dataclass(frozen=True, slots=True)
class StageSource:
    """The files of an earlier stage, as its last step left them."""

    index: int


@dataclass(frozen=True, slots=True)
class ImageSource:
    """The files of an image, by the name that it has and as it was found."""

    reference: Reference
    found: PulledImage = field(compare=False, repr=False)


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
class LocalFiles:
    """A file of the source, or what is in a folder of it; `path` is in-tree.

    It may hold wildcards, unless it `is_literal`. With `unpack` an archive is unpacked and not copied.
    """

    path: str
    unpack: bool = False
    is_literal: bool = False


@dataclass(frozen=True, slots=True)
class LocalPaths:
    """Files of the source with the folders that they are in (`--parents`).

    They are what `pattern` matches below `top`, which may hold wildcards. `required` is a path that has to be
    there, empty where there are wildcards.
    """

    top: str
    pattern: IgnorePatterns
    required: str


@dataclass(frozen=True, slots=True)
class WebFile:
    """A file of the web; with `unpack` an archive is unpacked and not copied."""

    url: str
    checksum: Checksum | None = None
    unpack: bool = False


@dataclass(frozen=True, slots=True)
class GitFiles:
    """The files of a git repository, the repository itself among them if it `keeps_git_dir`."""

    ref: GitRef
    keeps_git_dir: bool = False


@dataclass(frozen=True, slots=True)
class InlineFile:
    """A file that the Dockerfile holds."""

    name: str
    content: str


Copied = LocalFiles | LocalPaths | WebFile | GitFiles | InlineFile


@dataclass(frozen=True, slots=True)
class CopyAction:
    """Copy files into the root (COPY and ADD); local ones come from `source`.

    `destination` is absolute; a slash, or a slash and a dot, at its end asks for a folder. `owner` is whose
    all become, by names of the root or by numbers; empty leaves them as they are. A linked copy does not look
    at what is there already.
    """

    copied: tuple[Copied, ...]
    source: Source
    destination: str
    owner: str = ""
    mode: ModeChange | None = None
    exclude: IgnorePatterns | None = None
    is_linked: bool = False


@dataclass(frozen=True, slots=True)
class BindRequest:
    """What is at the in-tree `path` of a source, for a step at `target`."""

    target: str
    source: Source
    path: str = "/"
    readonly: bool = True


@dataclass(frozen=True, slots=True)
class CacheRequest:
    """A folder that is kept for later steps and builds; `sharing` is "shared", "private" or "locked".

    If it `is_filled` a new one holds what is at the in-tree `path` of `source`, otherwise nothing. What is
    said of its content and its owner tells it from other caches of the same id.
    """

    target: str
    id: str
    source: Source | None = None
    path: str = "/"
    is_filled: bool = False
    readonly: bool = False
    sharing: str = "shared"
    uid: int = 0
    gid: int = 0
    mode: int = 0o755


@dataclass(frozen=True, slots=True)
class TmpfsRequest:
    """An empty folder, of at most `size` bytes (0: no limit)."""

    target: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class SecretRequest:
    """A secret as the file `target`, as the variable `variable`, or as both; empty is neither."""

    id: str
    target: str = ""
    variable: str = ""
    required: bool = False
    uid: int = 0
    gid: int = 0
    mode: int = 0o400


@dataclass(frozen=True, slots=True)
class SshRequest:
    """A socket that leads to an agent."""

    target: str
    id: str = "default"
    required: bool = False
    uid: int = 0
    gid: int = 0
    mode: int = 0o600


MountRequest = BindRequest | CacheRequest | TmpfsRequest | SecretRequest | SshRequest
"""A mount that a step wants; every `target` is absolute and normalised, and none is the root."""


@dataclass(frozen=True, slots=True)
class Script:
    """A heredoc that is a program of its own, and where it stands while the step runs."""

    path: str
    content: str


@dataclass(frozen=True, slots=True)
class RunAction:
    """Run a process in the root."""

    argv: tuple[str, ...]
    environment: Environment
    user: str
    working_dir: str
    mounts: tuple[MountRequest, ...]
    network: str
    script: Script | None = None


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
    def needs_git(self) -> bool:
        """Whether it adds files of a git repository."""
        return isinstance(self.action, CopyAction) and any(
            isinstance(copied, GitFiles) for copied in self.action.copied
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where its action takes files from."""
        match self.action:
            case CopyAction(source=source):
                return (source,)
            case RunAction(mounts=mounts):
                requests = (mount for mount in mounts if isinstance(mount, BindRequest | CacheRequest))
                return tuple(request.source for request in requests if request.source)
        return ()
