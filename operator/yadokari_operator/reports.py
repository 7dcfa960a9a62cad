"""What is reported of an ImageBuild: one function for each state that a build can be in.

Each takes the ImageBuild, the status of the current run so far (`run`) and the time, and gives the whole new
status. What the same observations lead to is the same, so a status is only written when something happened.
"""

from dataclasses import replace
from datetime import UTC, datetime

from yadokari_api.conditions import Condition, ConditionType, Truth, carried_over
from yadokari_api.imagebuild import ImageBuild
from yadokari_api.reasons import StateReason
from yadokari_api.status import BuildFailure, LastSucceeded, Phase, Status
from yadokari_contract.result import BuildResult, Failure

_TRUTHS: dict[Phase, dict[ConditionType, Truth]] = {
    "Pending": {"Ready": "Unknown", "Reconciling": "True", "Stalled": "False", "Succeeded": "Unknown"},
    "Building": {"Ready": "Unknown", "Reconciling": "True", "Stalled": "False", "Succeeded": "Unknown"},
    "Retrying": {"Ready": "False", "Reconciling": "True", "Stalled": "False", "Succeeded": "Unknown"},
    "Succeeded": {"Ready": "True", "Reconciling": "False", "Stalled": "False", "Succeeded": "True"},
    "Failed": {"Ready": "False", "Reconciling": "False", "Stalled": "True", "Succeeded": "False"},
}
_LAST_LINE = 10**6


def begun(build: ImageBuild, inputs_hash: str = "") -> Status:
    """Give the status with which a run begins: of the one before, the last success alone is left."""
    return Status(
        inputs_hash=inputs_hash,
        rebuild_requested_at=build.rebuild or build.status.rebuild_requested_at,
        last_succeeded=build.status.last_succeeded,
    )


def waiting(build: ImageBuild, run: Status, now: datetime, message: str) -> Status:
    """Report that the build has not begun, with nothing but time in its way."""
    return _status(build, run, now, "Pending", StateReason.PENDING, message)


def blocked(build: ImageBuild, run: Status, now: datetime, reason: StateReason, message: str) -> Status:
    """Report that something is missing that may still come: a ConfigMap, a Secret, room on a node."""
    return _status(build, run, now, "Pending", reason, message, ready="False")


def building(build: ImageBuild, run: Status, now: datetime) -> Status:
    """Report that the executor runs."""
    message = f"attempt {run.attempt} runs in pod {run.pod_name}"
    return _status(build, run, now, "Building", StateReason.BUILDING, message)


def retrying(build: ImageBuild, run: Status, now: datetime, failure: Failure) -> Status:
    """Report that an attempt failed and another one follows."""
    message = f"attempt {run.attempt} failed and is followed by another one: {failure.message}"
    run = replace(run, failure=_failure(failure))
    return _status(build, run, now, "Retrying", failure.reason, message)


def succeeded(
    build: ImageBuild, run: Status, now: datetime, image: str, result: BuildResult, end: datetime
) -> Status:
    """Report that the image is built, and pushed to `image` and all other destinations."""
    message = f"{image} was built and pushed with digest {result.digest}"
    last = LastSucceeded(digest=result.digest, time=format_time(end), inputs_hash=run.inputs_hash)
    run = replace(_ended(run, end), image=image, digest=result.digest, failure=None, last_succeeded=last)
    return _status(build, run, now, "Succeeded", StateReason.SUCCEEDED, message)


def failed(build: ImageBuild, run: Status, now: datetime, failure: Failure, end: datetime | None) -> Status:
    """Report that the build failed for good; without `end`, that it never began."""
    run = replace(run if end is None else _ended(run, end), failure=_failure(failure))
    return _status(build, run, now, "Failed", failure.reason, failure.message)


def kept(build: ImageBuild, run: Status) -> Status:
    """Report the same as before, for the generation of the spec that was seen now."""
    seen = build.generation
    conditions = tuple(replace(condition, observed_generation=seen) for condition in run.conditions)
    return replace(run, observed_generation=seen, conditions=conditions)


def _status(
    build: ImageBuild,
    run: Status,
    now: datetime,
    phase: Phase,
    reason: str,
    message: str,
    *,
    ready: Truth | None = None,
) -> Status:
    truths = _TRUTHS[phase] | ({"Ready": ready} if ready else {})
    conditions = [
        Condition(
            type=kind,
            status=truth,
            reason=reason,
            message=message,
            observed_generation=build.generation,
            last_transition_time=format_time(now),
        )
        for kind, truth in truths.items()
    ]
    return replace(
        run,
        observed_generation=build.generation,
        phase=phase,
        message=message,
        conditions=carried_over(conditions, build.status.conditions),
    )


def _failure(failure: Failure) -> BuildFailure:
    return BuildFailure(
        reason=failure.reason,
        message=failure.message,
        # A step of the build may have written the message: what the API server would refuse is left out.
        line=failure.line if 0 < failure.line <= _LAST_LINE else None,
        log_tail=failure.log_tail or None,
    )


def _ended(run: Status, end: datetime) -> Status:
    start = datetime.fromisoformat(run.start_time) if run.start_time else end
    duration = format_duration(max(0, round((end - start).total_seconds())))
    return replace(run, completion_time=format_time(end), duration=duration)


def format_duration(seconds: int) -> str:
    """Write a span of time for people: 45s, 1m23s, 2h0m5s."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest}s"


def format_time(time: datetime) -> str:
    """Write a time as the Kubernetes API does."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
