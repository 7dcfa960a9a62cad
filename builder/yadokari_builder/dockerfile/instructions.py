"""Instructions: one value for each, as written, words not yet expanded (see `expand`).

Two instructions are equal if they say the same, wherever they stand.
"""

from dataclasses import dataclass, field

from yadokari_builder.dockerfile.location import Location, Origin


@dataclass(frozen=True, slots=True)
class Instruction:
    """What every instruction has."""

    origin: Origin = field(default=Origin(), compare=False, kw_only=True)

    @property
    def location(self) -> Location:
        """The lines that it stands on."""
        return self.origin.location

    @property
    def original(self) -> str:
        """Its source, continuation lines joined, heredocs left out."""
        return self.origin.text


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A file written in the Dockerfile; `expand` tells whether variables in it are replaced.

    In COPY and ADD the content has lost its leading tabs already where `<<-` asks for it. In RUN it has not
    (`chomp`), since the shell may be the one to take them off.
    """

    name: str
    content: str
    expand: bool = True
    chomp: bool = False


@dataclass(frozen=True, slots=True)
class Mount:
    """A RUN --mount. Paths may be relative, `mode` is octal, `size` in bytes (0: no limit).

    `env` names the variable that holds a secret (empty: named as the secret's id).
    """

    type: str = "bind"
    target: str = ""
    source: str = ""
    from_: str = ""
    readonly: bool = True
    id: str = ""
    sharing: str = ""
    required: bool = False
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    env: str | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class Device:
    """A RUN --device."""

    name: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A command line: a program and its arguments, or one text for the shell."""

    words: tuple[str, ...]
    shell: bool
    heredocs: tuple[Heredoc, ...] = ()


@dataclass(frozen=True, slots=True)
class From(Instruction):
    """FROM: what a stage starts from; `name` is in lower case."""

    image: str
    name: str | None = None
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Arg(Instruction):
    """ARG: names with their defaults."""

    pairs: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Env(Instruction):
    """ENV; `legacy` is the form `ENV name value`."""

    pairs: tuple[tuple[str, str], ...]
    legacy: bool = False


@dataclass(frozen=True, slots=True)
class Label(Instruction):
    """LABEL; `legacy` is the form `LABEL name value`."""

    pairs: tuple[tuple[str, str], ...]
    legacy: bool = False


@dataclass(frozen=True, slots=True)
class Copy(Instruction):
    """COPY."""

    sources: tuple[str, ...]
    destination: str
    heredocs: tuple[Heredoc, ...] = ()
    from_: str = ""
    chown: str = ""
    chmod: str = ""
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()

    @property
    def is_linked(self) -> bool:
        """Whether its layer is made without looking at what is below; BuildKit links only without --chmod."""
        return self.link and not self.chmod


@dataclass(frozen=True, slots=True)
class Add(Instruction):
    """ADD; `keep_git_dir` and `unpack` are None where they are not given."""

    sources: tuple[str, ...]
    destination: str
    heredocs: tuple[Heredoc, ...] = ()
    chown: str = ""
    chmod: str = ""
    link: bool = False
    exclude: tuple[str, ...] = ()
    checksum: str = ""
    keep_git_dir: bool | None = None
    unpack: bool | None = None

    @property
    def is_linked(self) -> bool:
        """Whether its layer is made without looking at what is below; BuildKit links only without --chmod."""
        return self.link and not self.chmod


@dataclass(frozen=True, slots=True)
class Run(Instruction):
    """RUN. `mount_flags` are the values of --mount as written.

    Before expansion `mounts` know nothing but their `from_`, which never holds variables; `expand`
    completes them.
    """

    command: Command
    mount_flags: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    network: str = "default"
    security: str = "sandbox"
    devices: tuple[Device, ...] = ()


@dataclass(frozen=True, slots=True)
class Cmd(Instruction):
    """CMD."""

    command: Command


@dataclass(frozen=True, slots=True)
class Entrypoint(Instruction):
    """ENTRYPOINT."""

    command: Command


@dataclass(frozen=True, slots=True)
class Shell(Instruction):
    """SHELL."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class User(Instruction):
    """USER."""

    user: str


@dataclass(frozen=True, slots=True)
class Workdir(Instruction):
    """WORKDIR."""

    path: str


@dataclass(frozen=True, slots=True)
class Volume(Instruction):
    """VOLUME."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expose(Instruction):
    """EXPOSE; sorted, as BuildKit does."""

    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StopSignal(Instruction):
    """STOPSIGNAL."""

    signal: str


@dataclass(frozen=True, slots=True)
class Healthcheck(Instruction):
    """HEALTHCHECK; durations in nanoseconds, 0 inherits. `test` starts with NONE, CMD or CMD-SHELL."""

    test: tuple[str, ...]
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Onbuild(Instruction):
    """ONBUILD: an instruction's source for those who build on this image, heredocs with it."""

    expression: str


@dataclass(frozen=True, slots=True)
class Maintainer(Instruction):
    """MAINTAINER."""

    name: str
