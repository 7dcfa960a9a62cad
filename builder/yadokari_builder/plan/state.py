"""A stage's state, before its first instruction, between two of them and after its last."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from yadokari_builder.dockerfile import history as created_by
from yadokari_builder.dockerfile.instructions import Instruction
from yadokari_builder.dockerfile.predefined import DEFAULT_PATH, DEFAULT_SHELL
from yadokari_builder.oci.config import ContainerConfig, History, ImageConfig
from yadokari_builder.oci.platform import Platform
from yadokari_builder.plan.environment import GrowingEnvironment
from yadokari_builder.plan.steps import Action, Step
from yadokari_builder.rootfs.paths import normalise


@dataclass(frozen=True, slots=True)
class StageState:
    """A stage as its last instruction left it.

    `environment` holds the image's variables and the ARGs in scope, as RUN and expansion see them; `args`
    the declared ARGs in order, for the history; `has_workdir` tells of a WORKDIR in this Dockerfile.
    """

    image: ImageConfig
    environment: Mapping[str, str]
    args: Mapping[str, str | None]
    has_workdir: bool

    @property
    def config(self) -> ContainerConfig:
        """How a container of the image runs."""
        return self.image.config


def begin(base: ImageConfig) -> StageState:
    """Start a stage from an image; what is there of its configuration stays."""
    return _started(base, {}, {}, has_workdir=False)


def inherit(base: StageState) -> StageState:
    """Start a stage from an earlier one: its ARGs stay in scope."""
    return _started(base.image, base.environment, base.args, has_workdir=base.has_workdir)


def scratch(platform: Platform) -> StageState:
    """Start a stage from nothing."""
    return begin(ImageConfig(platform=platform, config=ContainerConfig(working_dir="/")))


def _started(
    base: ImageConfig,
    environment: Mapping[str, str],
    args: Mapping[str, str | None],
    *,
    has_workdir: bool,
) -> StageState:
    env = base.config.env
    if not any(entry.startswith("PATH=") for entry in env):
        env = (*env, f"PATH={DEFAULT_PATH}")
    working_dir = base.config.working_dir and join_workdir("/", base.config.working_dir)
    config = replace(base.config, env=env, working_dir=working_dir, on_build=())
    variables = {**environment, **dict(map(_split_env, env))}
    return StageState(replace(base, config=config), MappingProxyType(variables), args, has_workdir)


@dataclass(slots=True)
class GrowingStage:
    """A stage between two instructions, as they change it.

    `image` has what is set anew as a whole; what grows stands beside it until the end, so that the cost of an
    instruction does not depend on how many there were before it.
    """

    image: ImageConfig
    environment: GrowingEnvironment
    args: dict[str, str | None]
    has_workdir: bool
    env: "_EnvEntries"
    labels: dict[str, str]
    volumes: dict[str, None]
    exposed_ports: dict[str, None]
    on_build: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    is_cmd_set: bool = False

    @classmethod
    def of(cls, state: StageState) -> "GrowingStage":
        """Go on from a state."""
        config = state.config
        return cls(
            image=state.image,
            environment=GrowingEnvironment(state.environment),
            args=dict(state.args),
            has_workdir=state.has_workdir,
            env=_EnvEntries(config.env),
            labels=dict(config.labels),
            volumes=dict.fromkeys(config.volumes),
            exposed_ports=dict.fromkeys(config.exposed_ports),
        )

    @property
    def config(self) -> ContainerConfig:
        """What is set anew as a whole of how a container runs."""
        return self.image.config

    @property
    def variables(self) -> Mapping[str, str]:
        """The variables that RUN and expansion see."""
        return self.environment.now

    @property
    def has_shell(self) -> bool:
        """Whether SHELL, or the base image, says what runs commands."""
        return bool(self.config.shell)

    @property
    def shell(self) -> tuple[str, ...]:
        """What runs commands in shell form."""
        return self.config.shell or DEFAULT_SHELL

    @property
    def working_dir(self) -> str:
        """Where the next step runs."""
        return self.config.working_dir or "/"

    def state(self) -> StageState:
        """Return the state that the instructions so far lead to."""
        config = replace(
            self.config,
            env=tuple(self.env.entries),
            labels=MappingProxyType(self.labels),
            volumes=tuple(self.volumes),
            exposed_ports=tuple(self.exposed_ports),
            on_build=tuple(self.on_build),
        )
        image = replace(self.image, config=config)
        environment, args = MappingProxyType(self.environment.now), MappingProxyType(self.args)
        return StageState(image, environment, args, self.has_workdir)

    def configure(self, **changes: Any) -> None:
        """Set fields of how a container runs."""
        self.image = replace(self.image, config=replace(self.config, **changes))

    def commit(self, instruction: Instruction, text: str, action: Action | None = None) -> None:
        """Add a step, with its entry in the history."""
        history = History(created_by=text, comment=created_by.COMMENT, empty_layer=True)
        self.steps.append(Step(instruction, action, history))


class _EnvEntries:
    """A configuration's variables, each as NAME=VALUE; a base may have several of one name."""

    def __init__(self, entries: Iterable[str]) -> None:
        self.entries = list(entries)
        self._places: dict[str, int] = {}
        for place, entry in enumerate(self.entries):
            self._places.setdefault(_split_env(entry)[0], place)

    def set(self, name: str, value: str) -> None:
        """Replace the first entry of that name where there is one: the order of the others stays."""
        place = self._places.setdefault(name, len(self.entries))
        self.entries[place : place + 1] = [f"{name}={value}"]


def join_workdir(current: str, path: str) -> str:
    """Join a WORKDIR to the one before; an absolute one stays as it was written, as in BuildKit."""
    if not current.startswith("/"):
        current = normalise(current)
    path = path or current
    return path if path.startswith("/") else normalise(f"{current}/{path}")


def _split_env(entry: str) -> tuple[str, str]:
    name, _, value = entry.partition("=")
    return name, value
