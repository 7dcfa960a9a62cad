"""What instructions make of a stage's state: one function each, as BuildKit's dockerfile2llb does it.

Nothing here touches a file: every variable is known before the first step runs, since RUN cannot change
the environment of what follows.
"""

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import singledispatch
from types import MappingProxyType
from typing import Any

from yadokari_builder.dockerfile import heredoc, ports, signals
from yadokari_builder.dockerfile import history as created_by
from yadokari_builder.dockerfile.arg_values import stage_values
from yadokari_builder.dockerfile.expand import Variables, expand
from yadokari_builder.dockerfile.instructions import (
    Add,
    Arg,
    Cmd,
    Command,
    Copy,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Mount,
    Onbuild,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from yadokari_builder.dockerfile.location import LanguageError, blaming
from yadokari_builder.dockerfile.predefined import DEFAULT_PATH, DEFAULT_SHELL, SBOM_ARGS
from yadokari_builder.dockerfile.quoting import quote
from yadokari_builder.oci import config as oci
from yadokari_builder.oci.config import ContainerConfig, History, ImageConfig
from yadokari_builder.oci.platform import Platform
from yadokari_builder.plan.copies import read_copy
from yadokari_builder.plan.mounts import read_mounts
from yadokari_builder.plan.scope import Scope
from yadokari_builder.plan.steps import Action, RunAction, Script, Source, Step, WorkdirAction

SCRIPTS = "/dev/pipes"
"""Where a RUN heredoc that starts with `#!` stands while it runs."""


@dataclass(frozen=True, slots=True)
class StageState:
    """A stage between two instructions.

    `environment` holds the image's variables and the ARGs in scope, as RUN and expansion see them; `args`
    the declared ARGs in order, for the history; `triggers` the base's ONBUILD instructions.
    """

    image: ImageConfig
    environment: Mapping[str, str]
    args: tuple[tuple[str, str | None], ...] = ()
    steps: tuple[Step, ...] = ()
    triggers: tuple[str, ...] = ()
    cmd_set: bool = False

    @property
    def config(self) -> ContainerConfig:
        """How a container of the image runs, so far."""
        return self.image.config


def begin(base: ImageConfig) -> StageState:
    """Start a stage from an image's config; what is there of it stays."""
    return _started(StageState(base, MappingProxyType({})), base)


def inherit(base: StageState) -> StageState:
    """Start a stage from an earlier one: its ARGs stay in scope, its own ONBUILD triggers run."""
    return _started(replace(base, steps=(), cmd_set=False), base.image)


def scratch(platform: Platform) -> StageState:
    """Start a stage from nothing."""
    return begin(ImageConfig(platform=platform, config=ContainerConfig(working_dir="/")))


def _started(state: StageState, base: ImageConfig) -> StageState:
    env = base.config.env
    if not any(entry.startswith("PATH=") for entry in env):
        env = (*env, f"PATH={DEFAULT_PATH}")
    working_dir = base.config.working_dir and _workdir("/", base.config.working_dir)
    config = replace(base.config, env=env, working_dir=working_dir, on_build=())
    return replace(
        state,
        image=replace(base, config=config),
        environment=MappingProxyType({**state.environment, **dict(map(_split_env, env))}),
        triggers=base.config.on_build,
    )


FindSource = Callable[[Mount | None], Source]
"""Finds where a mount takes its files from; None asks for the instruction's own `--from`."""


def evaluate(state: StageState, instruction: Instruction, scope: Scope, source: FindSource) -> StageState:
    """Apply one instruction, its variables expanded, to a stage's state.

    Raises `DockerfileError` where the instruction asks for something that cannot be.
    """
    if not isinstance(instruction, Arg):
        instruction = expand(instruction, state.environment, scope.escape)
    with blaming(instruction.location, instruction.original):
        return _apply(instruction, state, scope, source)


@singledispatch
def _apply(instruction: Instruction, state: StageState, scope: Scope, source: FindSource) -> StageState:
    raise LanguageError(f"{type(instruction).__name__.upper()} cannot stand here")


@_apply.register
def _apply_env(instruction: Env, state: StageState, scope: Scope, source: FindSource) -> StageState:
    env = state.config.env
    for name, value in instruction.pairs:
        env = _set_env(env, name, value)
    environment = MappingProxyType({**state.environment, **dict(instruction.pairs)})
    return _configured(
        replace(state, environment=environment), instruction, created_by.env(instruction), env=env
    )


@_apply.register
def _apply_arg(instruction: Arg, state: StageState, scope: Scope, source: FindSource) -> StageState:
    variables = Variables(state.environment, scope.escape)
    declared = stage_values(instruction, variables, scope.global_args, scope.build_args)
    known = {name: value for name, value in declared if value is not None and name not in SBOM_ARGS}
    environment = MappingProxyType({**state.environment, **known})
    state = replace(state, environment=environment, args=(*state.args, *declared))
    return _configured(state, instruction, created_by.arg(declared))


@_apply.register
def _apply_label(instruction: Label, state: StageState, scope: Scope, source: FindSource) -> StageState:
    labels = {**state.config.labels, **dict(instruction.pairs)}
    return _configured(state, instruction, created_by.label(instruction), labels=MappingProxyType(labels))


@_apply.register
def _apply_maintainer(
    instruction: Maintainer, state: StageState, scope: Scope, source: FindSource
) -> StageState:
    state = replace(state, image=replace(state.image, author=instruction.name))
    return _configured(state, instruction, created_by.maintainer(instruction))


@_apply.register
def _apply_cmd(instruction: Cmd, state: StageState, scope: Scope, source: FindSource) -> StageState:
    cmd = _argv(instruction.command, state)
    state = replace(state, cmd_set=True)
    return _configured(state, instruction, created_by.cmd(cmd), cmd=cmd, args_escaped=True)


@_apply.register
def _apply_entrypoint(
    instruction: Entrypoint, state: StageState, scope: Scope, source: FindSource
) -> StageState:
    entrypoint = _argv(instruction.command, state)
    cmd = state.config.cmd if state.cmd_set else None
    return _configured(state, instruction, created_by.entrypoint(entrypoint), entrypoint=entrypoint, cmd=cmd)


@_apply.register
def _apply_shell(instruction: Shell, state: StageState, scope: Scope, source: FindSource) -> StageState:
    return _configured(state, instruction, created_by.shell(instruction.words), shell=instruction.words)


@_apply.register
def _apply_user(instruction: User, state: StageState, scope: Scope, source: FindSource) -> StageState:
    return _configured(state, instruction, created_by.user(instruction), user=instruction.user)


@_apply.register
def _apply_volume(instruction: Volume, state: StageState, scope: Scope, source: FindSource) -> StageState:
    volumes = tuple(dict.fromkeys((*state.config.volumes, *instruction.paths)))
    return _configured(state, instruction, created_by.volume(instruction.paths), volumes=volumes)


@_apply.register
def _apply_expose(instruction: Expose, state: StageState, scope: Scope, source: FindSource) -> StageState:
    exposed = [port for text in instruction.ports for port in ports.parse(text)]
    exposed_ports = tuple(dict.fromkeys((*state.config.exposed_ports, *exposed)))
    return _configured(state, instruction, created_by.expose(tuple(exposed)), exposed_ports=exposed_ports)


@_apply.register
def _apply_stopsignal(
    instruction: StopSignal, state: StageState, scope: Scope, source: FindSource
) -> StageState:
    signals.parse(instruction.signal)
    return _configured(state, instruction, created_by.stopsignal(instruction), stop_signal=instruction.signal)


@_apply.register
def _apply_healthcheck(
    instruction: Healthcheck, state: StageState, scope: Scope, source: FindSource
) -> StageState:
    check = oci.Healthcheck(
        test=instruction.test or (),
        interval=instruction.interval,
        timeout=instruction.timeout,
        start_period=instruction.start_period,
        start_interval=instruction.start_interval,
        retries=instruction.retries,
    )
    return _configured(state, instruction, created_by.healthcheck(instruction), healthcheck=check)


@_apply.register
def _apply_onbuild(instruction: Onbuild, state: StageState, scope: Scope, source: FindSource) -> StageState:
    config = replace(state.config, on_build=(*state.config.on_build, instruction.expression))
    return _stepped(replace(state, image=replace(state.image, config=config)), Step(instruction, None, None))


@_apply.register
def _apply_workdir(instruction: Workdir, state: StageState, scope: Scope, source: FindSource) -> StageState:
    path = _workdir(state.config.working_dir, instruction.path)
    action = WorkdirAction(path, state.config.user) if path != "/" else None
    return _configured(state, instruction, created_by.workdir(path), action, working_dir=path)


@_apply.register
def _apply_run(instruction: Run, state: StageState, scope: Scope, source: FindSource) -> StageState:
    argv, script = _run_argv(instruction.command, state)
    working_dir = state.config.working_dir or "/"
    mounts = read_mounts(instruction.mounts, working_dir, source)
    _refuse_privileges(instruction)
    action = RunAction(
        argv=argv,
        environment=MappingProxyType({**scope.proxy_environment, **state.environment}),
        user=state.config.user,
        working_dir=working_dir,
        mounts=mounts,
        network=instruction.network,
        script=script,
    )
    text = created_by.run(argv, state.args, state.environment)
    return _configured(state, instruction, text, action)


def _refuse_privileges(instruction: Run) -> None:
    """Refuse what the executor, itself without privilege, has not to give."""
    if instruction.security != "sandbox":
        raise LanguageError(
            f"security.{instruction.security} is not allowed: the executor runs without privilege and has"
            " none to give; remove --security",
            "--security",
        )
    if instruction.devices:
        raise LanguageError(
            f"device {quote(instruction.devices[0].name)} is not registered: the executor has no devices to"
            " give; remove --device",
            "--device",
        )


@_apply.register(Copy)
@_apply.register(Add)
def _apply_copy(instruction: Copy | Add, state: StageState, scope: Scope, source: FindSource) -> StageState:
    action = read_copy(instruction, source(None), state.config.working_dir or "/")
    return _configured(state, instruction, created_by.copy(instruction), action)


def _configured(
    state: StageState, instruction: Instruction, text: str, action: Action | None = None, **changes: Any
) -> StageState:
    """Change the container's configuration and add the step with its history."""
    history = History(created_by=text, comment=created_by.COMMENT, empty_layer=True)
    image = replace(state.image, config=replace(state.config, **changes))
    return _stepped(replace(state, image=image), Step(instruction, action, history))


def _stepped(state: StageState, step: Step) -> StageState:
    return replace(state, steps=(*state.steps, step))


def _argv(command: Command, state: StageState) -> tuple[str, ...]:
    return _with_shell(command.words, state) if command.shell else command.words


def _with_shell(words: tuple[str, ...], state: StageState) -> tuple[str, ...]:
    return (*(state.config.shell or DEFAULT_SHELL), " ".join(words))


def _run_argv(command: Command, state: StageState) -> tuple[tuple[str, ...], Script | None]:
    """Work out what a RUN starts, and the script that it starts where a heredoc is one."""
    if not command.heredocs:
        return _argv(command, state), None
    line, first = command.words[0], command.heredocs[0]
    if not heredoc.is_mark(line):
        bodies = "".join(f"\n{body.content}{body.name}" for body in command.heredocs)
        return _with_shell((line + bodies,), state), None
    content = heredoc.chomp(first.content) if first.chomp else first.content
    if not content.startswith("#!"):
        return _with_shell((content,), state), None
    if "/" in first.name:
        raise LanguageError("a heredoc that is a script cannot have a name with a slash", first.name)
    script = Script(f"{SCRIPTS}/{first.name}", content)
    # The shell starts it, as in BuildKit: the one that SHELL names counts here, too.
    return _with_shell((script.path,), state), script


def _workdir(current: str, path: str) -> str:
    """Join a WORKDIR to the one before; an absolute one stays as it was written, as in BuildKit."""
    if path.startswith("/"):
        return path
    return "/" + posixpath.normpath(posixpath.join("/", current, path)).lstrip("/")


def _split_env(entry: str) -> tuple[str, str]:
    name, _, value = entry.partition("=")
    return name, value


def _set_env(env: tuple[str, ...], name: str, value: str) -> tuple[str, ...]:
    """Replace the first entry of that name where there is one: the order of the others stays."""
    entry = f"{name}={value}"
    for place, old in enumerate(env):
        if _split_env(old)[0] == name:
            return (*env[:place], entry, *env[place + 1 :])
    return (*env, entry)
