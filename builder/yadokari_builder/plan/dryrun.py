"""A dry run: what a build would do and what it would warn of, told without doing it."""

import json
from collections.abc import Iterator
from typing import Any

from yadokari_builder.plan.draft import Draft
from yadokari_builder.plan.plan import PlannedStage
from yadokari_builder.plan.shown import as_lines, as_value
from yadokari_builder.plan.steps import StageSource, Step
from yadokari_builder.registry.pull import PulledImage


def as_text(draft: Draft) -> str:
    """Write a draft for people."""
    return "".join(f"{line}\n" for line in _lines(draft))


def as_json(draft: Draft) -> str:
    """Write a draft as one JSON object: `stages` in the order they are built in, `warnings`, `error`."""
    stages = draft.plan.stages if draft.plan else ()
    value = {
        "stages": [_stage(draft, stage) for stage in stages],
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


def _lines(draft: Draft) -> Iterator[str]:
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
    for note in draft.notes():
        yield f"warning: {note}"
    if draft.error:
        yield f"error: {draft.error}"


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
