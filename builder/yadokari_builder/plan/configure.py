"""What instructions set of an image: one function each, as BuildKit's dockerfile2llb does it."""

from dataclasses import replace
from functools import singledispatch

from yadokari_builder.dockerfile import history as created_by
from yadokari_builder.dockerfile import ports, signals
from yadokari_builder.dockerfile.instructions import (
    Cmd,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Onbuild,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.oci import config as oci
from yadokari_builder.plan.runs import read_command
from yadokari_builder.plan.state import GrowingStage, join_workdir
from yadokari_builder.plan.steps import Step, WorkdirAction


@singledispatch
def configure(instruction: Instruction, _stage: GrowingStage) -> None:
    """Apply an instruction, its variables replaced, to a stage; raises LanguageError."""
    raise LanguageError(f"{type(instruction).__name__.upper()} cannot stand here")


@configure.register
def _env(instruction: Env, stage: GrowingStage) -> None:
    for name, value in instruction.pairs:
        stage.env.set(name, value)
        stage.environment.set(name, value)
    stage.commit(instruction, created_by.env(instruction))


@configure.register
def _label(instruction: Label, stage: GrowingStage) -> None:
    stage.labels.update(instruction.pairs)
    stage.commit(instruction, created_by.label(instruction))


@configure.register
def _maintainer(instruction: Maintainer, stage: GrowingStage) -> None:
    stage.image = replace(stage.image, author=instruction.name)
    stage.commit(instruction, created_by.maintainer(instruction))


@configure.register
def _cmd(instruction: Cmd, stage: GrowingStage) -> None:
    cmd = read_command(instruction.command, stage.shell)
    stage.is_cmd_set = True
    stage.configure(cmd=cmd, args_escaped=True)
    stage.commit(instruction, created_by.cmd(cmd))


@configure.register
def _entrypoint(instruction: Entrypoint, stage: GrowingStage) -> None:
    entrypoint = read_command(instruction.command, stage.shell)
    stage.configure(entrypoint=entrypoint, cmd=stage.config.cmd if stage.is_cmd_set else None)
    stage.commit(instruction, created_by.entrypoint(entrypoint))


@configure.register
def _shell(instruction: Shell, stage: GrowingStage) -> None:
    stage.configure(shell=instruction.words)
    stage.commit(instruction, created_by.shell(instruction.words))


@configure.register
def _user(instruction: User, stage: GrowingStage) -> None:
    stage.configure(user=instruction.user)
    stage.commit(instruction, created_by.user(instruction))


@configure.register
def _volume(instruction: Volume, stage: GrowingStage) -> None:
    stage.volumes.update(dict.fromkeys(instruction.paths))
    stage.commit(instruction, created_by.volume(instruction.paths))


@configure.register
def _expose(instruction: Expose, stage: GrowingStage) -> None:
    exposed = tuple(port for text in instruction.ports for port in ports.parse(text))
    stage.exposed_ports.update(dict.fromkeys(exposed))
    stage.commit(instruction, created_by.expose(exposed))


@configure.register
def _stopsignal(instruction: StopSignal, stage: GrowingStage) -> None:
    signals.parse(instruction.signal)
    stage.configure(stop_signal=instruction.signal)
    stage.commit(instruction, created_by.stopsignal(instruction))


@configure.register
def _healthcheck(instruction: Healthcheck, stage: GrowingStage) -> None:
    check = oci.Healthcheck(
        test=instruction.test or (),
        interval=instruction.interval,
        timeout=instruction.timeout,
        start_period=instruction.start_period,
        start_interval=instruction.start_interval,
        retries=instruction.retries,
    )
    stage.configure(healthcheck=check)
    stage.commit(instruction, created_by.healthcheck(instruction))


@configure.register
def _onbuild(instruction: Onbuild, stage: GrowingStage) -> None:
    stage.on_build.append(instruction.expression)
    stage.steps.append(Step(instruction, None, None))


@configure.register
def _workdir(instruction: Workdir, stage: GrowingStage) -> None:
    path = join_workdir(stage.config.working_dir, instruction.path)
    action = WorkdirAction(path, stage.config.user) if path != "/" else None
    stage.has_workdir = True
    stage.configure(working_dir=path)
    stage.commit(instruction, created_by.workdir(path), action)
