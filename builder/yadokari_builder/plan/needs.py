"""What steps, and the stages that they are in, need of the files that they start from."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from yadokari_builder.plan.plan import Plan, PlannedStage
from yadokari_builder.plan.steps import (
    CopyAction,
    Files,
    LocalFiles,
    RunAction,
    StageSource,
    Step,
    WebFile,
    WorkdirAction,
)


def needs_of_stages(stages: Sequence[PlannedStage]) -> dict[int, Files]:
    """Tell what is needed of the files that each stage starts from; those that read a stage come after it."""
    needs = dict.fromkeys((stage.index for stage in stages), Files.NONE)
    for stage in reversed(stages):
        needs[stage.index] = max([needs[stage.index], *map(needs_of_step, stage.steps)])
        for source in stage.sources:
            if isinstance(source, StageSource):
                needs[source.index] = Files.CONTENT
        if isinstance(stage.base, StageSource):
            needs[stage.base.index] = max(needs[stage.base.index], needs[stage.index])
    return needs


def with_all_files(plan: Plan) -> Plan:
    """Return the plan of a build that leaves all files of the image in the root, whatever its steps need."""
    needs = {**plan.with_content().needs, **{stage.index: Files.CONTENT for stage in plan.chain()}}
    return replace(plan, needs=needs, read_by=readers_of_stages(plan.stages, needs))


def readers_of_stages(
    stages: Sequence[PlannedStage], needs: Mapping[int, Files]
) -> dict[int, tuple[int, ...]]:
    """List by their indexes the stages that need a stage's files: to start from them or to copy some."""
    readers: dict[int, list[int]] = {stage.index: [] for stage in stages}
    for stage in stages:
        read = set(stage.sources)
        if isinstance(stage.base, StageSource) and needs[stage.index]:
            read.add(stage.base)
        for source in read:
            if isinstance(source, StageSource):
                readers[source.index].append(stage.index)
    return {index: tuple(reading) for index, reading in readers.items()}


def needs_of_step(step: Step) -> Files:
    """Tell what a step's action needs of the files below."""
    match step.action:
        case None:
            return Files.NONE
        case WorkdirAction():
            return Files.NAMES
        case CopyAction(copied=copied, is_linked=is_linked):
            # A link in an archive may lead to a file that is there.
            if any(isinstance(each, LocalFiles | WebFile) and each.unpack for each in copied):
                return Files.CONTENT
            return Files.NONE if is_linked and not looks_up(step) else Files.NAMES
    return Files.CONTENT


def looks_up(step: Step) -> bool:
    """Tell whether a step's action looks up accounts."""
    match step.action:
        case CopyAction(owner=owner):
            return not all(part.isdecimal() for part in owner.split(":") if owner)
        case WorkdirAction(user=user):
            return bool(user)
    return isinstance(step.action, RunAction)
