"""What a plan makes otherwise than kaniko would, as far as the plan alone can tell."""

from collections.abc import Iterator

from yadokari_builder.dockerfile.instructions import Add, Copy, User
from yadokari_builder.oci.image import manifest_type_on
from yadokari_builder.oci.media_types import DOCKER_MANIFEST
from yadokari_builder.plan.plan import Plan, PlannedStage
from yadokari_builder.plan.steps import ContextSource, CopyAction, RunAction, StageSource, Step, WorkdirAction
from yadokari_builder.registry.pull import PulledImage
from yadokari_contract.spec import BuildSpec

_ROOT = frozenset({"", "0", "root"})


def differences(plan: Plan, spec: BuildSpec, oci_alone: str = "") -> Iterator[str]:
    """Say what differs from what kaniko would make, a line each, with the Dockerfile's line in front.

    `oci_alone` names what is asked for and Docker's kind of image does not know, "" for nothing.
    """
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
    yield from _of_image(plan.chain()[0], spec, oci_alone)
    yield from _of_cache(spec)


def _of_image(lowest: PlannedStage, spec: BuildSpec, oci_alone: str) -> Iterator[str]:
    base = lowest.base.image if isinstance(lowest.base, PulledImage) else None
    if not spec.image_format and oci_alone and base and manifest_type_on(base) == DOCKER_MANIFEST:
        yield f"image: its manifest is OCI's for {oci_alone}, where kaniko keeps the base's, Docker's"
    if not spec.image_format and base is None:
        way_out = "" if oci_alone else ": --image-format docker"
        yield f"image: its manifest is OCI's, where kaniko writes Docker's on scratch{way_out}"
    if spec.reproducible and base:
        yield "image: layers of the base stay as they are, where kaniko takes the times out of them, too"


def _of_cache(spec: BuildSpec) -> Iterator[str]:
    if spec.cache:
        yield "cache: nothing that kaniko has cached is found, since the keys are others"
    elif spec.cache_dir != BuildSpec().cache_dir:
        yield f"cache: base images in {spec.cache_dir} are used, where kaniko wants --cache for that"


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
