"""A dry run: what a build would do and what it would warn of, told without doing it."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from yadokari_builder.oci.reference import Reference
from yadokari_builder.plan.draft import Draft
from yadokari_builder.plan.lodge import Refusal, lodger, offer
from yadokari_builder.plan.plan import Plan, PlannedStage
from yadokari_builder.plan.steps import StageSource, Step
from yadokari_builder.plan.telling.shown import as_lines, as_value
from yadokari_builder.registry.pull import PulledImage
from yadokari_contract.results.lodging import LodgingResult


def as_text(draft: Draft, container: Reference | None = None) -> str:
    """Write a draft for people; `container` is the image that the build's container is said to be."""
    return "".join(f"{line}\n" for line in _lines(draft, container))


def as_json(draft: Draft, container: Reference | None = None) -> str:
    """Write a draft as one JSON object: `stages` in the order of building, `lodging`, `warnings`, `error`."""
    stages = draft.plan.stages if draft.plan else ()
    value = {
        "stages": [_stage(draft, stage) for stage in stages],
        "lodging": asdict(_lodging(draft.plan, container)) if draft.plan else None,
        "warnings": [
            {
                "rule": warning.rule.name,
                "message": warning.message,
                "description": warning.rule.description,
                "url": warning.rule.url,
                "line": warning.location.start,
            }
            for warning in draft.warnings
        ],
        "unused_build_args": list(draft.unused_args),
        "error": {"message": draft.error.message, "line": draft.error.line} if draft.error else None,
    }
    return json.dumps(value, indent=2) + "\n"


def _lines(draft: Draft, container: Reference | None) -> Iterator[str]:
    if draft.plan:
        number = 0
        for stage in draft.plan.stages:
            target = ", the target" if stage is draft.plan.target else ""
            yield f"stage {stage.name} (line {stage.stage.location.start}{target})"
            number += 1
            yield f"  {number:>3}  {_first_line(stage.stage.base.original)} -> {_describe_base(stage)}"
            for step in stage.steps:
                number += 1
                yield f"  {number:>3}  {_first_line(step.instruction.original)}"
                yield from (f"         {line}" for line in as_lines(step))
        yield f"lodging: {_lodging_text(_lodging(draft.plan, container))}"
    for note in draft.notes():
        yield f"warning: {note}"
    if draft.error:
        yield f"error: {draft.error}"


def _lodging(plan: Plan, container: Reference | None) -> LodgingResult:
    """Tell which stage is built in a base's own container, and whose container that is or could be."""
    image = str(offer(plan) or "")
    if container is None:
        return LodgingResult(image=image)
    chosen = lodger(plan, container)
    if isinstance(chosen, Refusal):
        return LodgingResult("", chosen.reason, chosen.message, image)
    return LodgingResult(chosen.stage.name, message=chosen.why, image=image)


def _lodging_text(lodging: LodgingResult) -> str:
    if lodging.stage:
        return f"stage {lodging.stage} is built in its base's own container: {lodging.message}"
    could = (
        f"a container of {lodging.image} would have it"
        if lodging.image
        else "no base's container would serve"
    )
    return f"{lodging.message}; {could}" if lodging.message else could


def _stage(draft: Draft, stage: PlannedStage) -> dict[str, Any]:
    return {
        "name": stage.name,
        "index": stage.index,
        "line": stage.stage.location.start,
        "target": bool(draft.plan and stage is draft.plan.target),
        "base": _base(stage),
        "steps": [_step(step) for step in stage.steps],
    }


def _base(stage: PlannedStage) -> dict[str, Any] | None:
    match stage.base:
        case StageSource(index):
            return {"stage": index}
        case PulledImage(reference=reference, image=image):
            platform = str(image.config.platform)
            return {"image": str(reference), "digest": str(image.manifest_digest), "platform": platform}
        case None:
            return None


def _step(step: Step) -> dict[str, Any]:
    """Describe a step; one without an action changes the image's configuration alone."""
    return {
        "line": step.instruction.location.start,
        "instruction": step.instruction.original,
        "changes_files": step.action is not None,
        "action": as_value(step),
    }


def _describe_base(stage: PlannedStage) -> str:
    match stage.base:
        case StageSource(index):
            return f"stage {index}"
        case PulledImage(reference=reference, image=image):
            return f"{reference.familiar} {image.manifest_digest} {image.config.platform}"
        case None:
            return "nothing"


def _first_line(text: str) -> str:
    line, more, _ = text.partition("\n")
    return f"{line} ..." if more else line
