"""The instructions of a stage, evaluated one after the other.

Nothing here touches a file: every variable is known before the first step runs, since RUN cannot change
the environment of what follows.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from yadokari_builder.dockerfile import history as created_by
from yadokari_builder.dockerfile.arg_values import stage_values
from yadokari_builder.dockerfile.expand import Variables, expand
from yadokari_builder.dockerfile.instructions import Add, Arg, Copy, Instruction, Mount, Run
from yadokari_builder.dockerfile.listener import Listener
from yadokari_builder.dockerfile.location import blaming
from yadokari_builder.dockerfile.predefined import CACHE_MOUNT_NAMESPACE, SBOM_ARGS
from yadokari_builder.plan.configure import configure
from yadokari_builder.plan.copies import read_copy
from yadokari_builder.plan.mounts import read_mounts
from yadokari_builder.plan.runs import read_run, refuse_privileges
from yadokari_builder.plan.scope import Scope
from yadokari_builder.plan.state import GrowingStage, StageState
from yadokari_builder.plan.steps import RunAction, Source, Step

FindSource = Callable[[Copy | Add | Mount], Source]
"""Finds where an instruction or a mount takes its files from; raises LanguageError."""


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Evaluates the instructions of stages; `listener` is told of each."""

    scope: Scope
    listener: Listener

    def evaluate(
        self, start: StageState, instructions: Iterable[Instruction], source: FindSource
    ) -> tuple[tuple[Step, ...], StageState]:
        """Return the steps of a stage that starts with a state, and the state that they lead to.

        Raises `DockerfileError` where an instruction asks for something that cannot be.
        """
        stage = GrowingStage.of(start)
        for instruction in instructions:
            if isinstance(instruction, Arg):
                self._declare(instruction, stage)
            else:
                self._apply(instruction, stage, source)
        return tuple(stage.steps), stage.state()

    def _declare(self, arg: Arg, stage: GrowingStage) -> None:
        variables = Variables(stage.variables, self.scope.escape)
        values = stage_values(arg, variables, self.scope.global_args, self.scope.build_args)
        self._tell(arg, variables, stage)
        for name, value in values:
            stage.args[name] = value
            if value is not None and name not in SBOM_ARGS:
                stage.environment.set(name, value)
        stage.commit(arg, created_by.arg(values))

    def _apply(self, instruction: Instruction, stage: GrowingStage, source: FindSource) -> None:
        variables = Variables(stage.variables, self.scope.escape)
        expanded = expand(instruction, variables)
        self._tell(expanded, variables, stage)
        with blaming(instruction.location, instruction.original):
            match expanded:
                case Run():
                    self._run(expanded, stage, source)
                case Copy() | Add():
                    action = read_copy(expanded, source(expanded), stage.working_dir)
                    stage.commit(expanded, created_by.copy(expanded), action)
                case _:
                    configure(expanded, stage)

    def _run(self, run: Run, stage: GrowingStage, source: FindSource) -> None:
        argv, script = read_run(run.command, stage.shell)
        namespace = self.scope.build_args.get(CACHE_MOUNT_NAMESPACE, "")
        mounts = read_mounts(run.mounts, stage.working_dir, source, namespace)
        refuse_privileges(run)
        action = RunAction(
            argv=argv,
            environment=stage.environment.moment(self.scope.proxies),
            user=stage.config.user,
            working_dir=stage.working_dir,
            mounts=mounts,
            network=run.network,
            script=script,
        )
        stage.commit(run, created_by.run(argv, tuple(stage.args.items()), stage.variables), action)

    def _tell(self, instruction: Instruction, variables: Variables, stage: GrowingStage) -> None:
        undefined = [name for name in variables.undefined if name not in stage.args and name not in SBOM_ARGS]
        self.listener.instruction_read(instruction, undefined, stage)
