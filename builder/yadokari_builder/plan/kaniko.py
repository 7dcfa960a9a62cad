"""What a plan makes otherwise than kaniko would, as far as the plan alone can tell."""

from collections.abc import Iterator

from yadokari_builder.dockerfile.instructions import Add, Copy, User
from yadokari_builder.plan.plan import Plan, PlannedStage
from yadokari_builder.plan.steps import ContextSource, CopyAction, RunAction, StageSource, Step, WorkdirAction
from yadokari_builder.registry.pull import PulledImage
from yadokari_contract.spec import BuildSpec

_ROOT = frozenset({"", "0", "root"})


def differences(plan: Plan, spec: BuildSpec) -> Iterator[str]:
    """Say what differs from what kaniko would make, a line each, with the Dockerfile's line in front."""
    for stage in plan.stages:
        user = _first_user(plan, stage)
        for step in stage.steps:
            if isinstance(step.instruction, User):
                user = step.instruction.user
            for difference in _of_step(step, user):
                yield f"line {step.instruction.location.start}: {difference}"
    if not spec.ignore_var_run and any(
        isinstance(step.action, RunAction) for stage in plan.stages for step in stage.steps
    ):
        yield "steps: what they write to /var/run is in layers, where kaniko leaves it out: --ignore-var-run"
    if not spec.image_format and plan.chain()[0].base is None:
        yield "image: its manifest is OCI's, where kaniko writes Docker's on scratch: --image-format docker"


def _first_user(plan: Plan, stage: PlannedStage) -> str:
    match stage.base:
        case PulledImage(image=image):
            return image.config.config.user
        case StageSource(index):
            return next(below.state.image.config.user for below in plan.stages if below.index == index)
        case None:
            return ""


def _of_step(step: Step, user: str) -> Iterator[str]:
    name, _, group = user.partition(":")
    own = name not in _ROOT
    match step.action:
        case CopyAction(source=ContextSource(), owner="") if own:
            yield f"files belong to root, where kaniko gives them to {user}: --chown={user}"
        case WorkdirAction(path=path) if own and path.count("/") > 1:
            yield f"folders missing on the way to {path} are {user}'s, where kaniko makes them root's"
        case RunAction() if group:
            yield f"the step has the group {group}, where kaniko gives it the first group of {name}"
    if isinstance(step.instruction, Copy | Add) and any(one.expand for one in step.instruction.heredocs):
        yield "variables in the here-document are replaced, where kaniko leaves them as they are written"
