"""What is reported of an ImageBuild: one function for each state that a build can be in.

Each takes the ImageBuild, the status of the current run so far (`run`) and the time, and gives the whole new
status. What the same observations lead to is the same, so a status is only written when something happened.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from types import MappingProxyType

from yadokari_api.conditions import Condition, ConditionType, Truth, carried_over
from yadokari_api.imagebuild import ImageBuild
from yadokari_api.keys import Key
from yadokari_api.reasons import StateReason
from yadokari_api.status import (
    LONGEST_HISTORY,
    Base,
    BuildFailure,
    LastSucceeded,
    LiveProgress,
    Lodging,
    Output,
    PastRun,
    Phase,
    PlatformOutput,
    RunReason,
    RunResult,
    RunStatus,
    Source,
    Status,
    Steps,
    TimedPhase,
)
from yadokari_contract import references
from yadokari_contract.reasons import Retry
from yadokari_contract.results.answers import IndexResult
from yadokari_contract.results.build import BaseImage, BuildResult, Failure
from yadokari_contract.results.lodging import NotLodged

_TRUTHS: dict[Phase, dict[ConditionType, Truth]] = {
    "Pending": {"Ready": "Unknown", "Reconciling": "True", "Stalled": "False", "Succeeded": "Unknown"},
    "Building": {"Ready": "Unknown", "Reconciling": "True", "Stalled": "False", "Succeeded": "Unknown"},
    "Retrying": {"Ready": "False", "Reconciling": "True", "Stalled": "False", "Succeeded": "Unknown"},
    "Succeeded": {"Ready": "True", "Reconciling": "False", "Stalled": "False", "Succeeded": "True"},
    "Failed": {"Ready": "False", "Reconciling": "False", "Stalled": "True", "Succeeded": "False"},
    "Suspended": {"Ready": "False", "Reconciling": "False", "Stalled": "False", "Succeeded": "Unknown"},
}
# A step of the build may have written the result: what the API server would refuse is left out.
_MOST = 10**6
_LONGEST_SIZE = 2**53
_MOST_PHASES = 16
_MOST_BASES = 32
_MOST_MISSES = 32
_LONGEST_WORD = 256
_LONGEST_NAME = 512
_REFERENCE = re.compile(
    rf"(?:{references.DOMAIN}/)?{references.PATH}(?::{references.TAG})?(?:@{references.DIGEST})?"
)
_DIGEST = re.compile(references.DIGEST)
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Reconciled:
    """A look at a build: the status that was stored, when the look began and when that was stored."""

    status: Status
    begun: datetime
    stored: datetime


@dataclass(frozen=True, slots=True)
class Summary:
    """What the pods of a run do, in a sentence; `is_troubled` where something has to be mended.

    `progress` is how far they have come that build right now.
    """

    phase: Phase
    reason: str
    message: str
    is_troubled: bool = False
    progress: LiveProgress | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a run begins; `text` is what there is to say beside the reason."""

    reason: RunReason
    text: str = ""


def unbegun(build: ImageBuild) -> Status:
    """Give the status of what cannot begin: of all before, the last success and the runs are left."""
    before = build.status
    return Status(
        rebuild_requested_at=build.rebuild or before.rebuild_requested_at,
        last_succeeded=before.last_succeeded,
        lodging=before.lodging,
        run=RunStatus(number=before.run.number),
        history=before.history if before.finished else _history(before, "Replaced", None),
    )


def begun(build: ImageBuild, inputs_hash: str, why: Cause, now: datetime) -> Status:
    """Give the status with which a run begins."""
    number = build.status.run.number + 1
    run = RunStatus(number=number, reason=why.reason, cause=why.text or None, queued_at=format_time(now))
    status = unbegun(build)
    if inputs_hash != build.status.inputs_hash:
        # Other stages may leave the root to the one that is built on it.
        lodging = (replace(it, unusable=None) if _is_of_stages(it) else it for it in status.lodging)
        status = replace(status, lodging=tuple(lodging))
    return replace(status, inputs_hash=inputs_hash, run=run)


def _is_of_stages(lodging: Lodging) -> bool:
    return lodging.reason == NotLodged.OTHER_STAGES


def waiting(build: ImageBuild, run: Status, now: datetime, reason: StateReason, message: str) -> Status:
    """Report that the executor does not run yet, with nothing but time in its way."""
    return _status(build, run, now, "Pending", reason, message)


def blocked(build: ImageBuild, run: Status, now: datetime, reason: StateReason, message: str) -> Status:
    """Report that something is missing that may still come: a ConfigMap, a Secret, room on a node."""
    return _status(build, run, now, "Pending", reason, message, {"Ready": "False"})


def building(
    build: ImageBuild, run: Status, now: datetime, progress: LiveProgress | None = None, note: str = ""
) -> Status:
    """Report that the executor runs, and how far it has come; `note` is what else there is to say."""
    message = f"attempt {run.run.attempt} runs in pod {run.run.pod}{_since(run)}{note}"
    pushes = progress is not None and progress.phase == "Pushing"
    reason = StateReason.PUSHING if pushes else StateReason.BUILDING
    return replace(_status(build, run, now, "Building", reason, message), progress=progress)


def beside(build: ImageBuild, run: Status, now: datetime, reason: StateReason, message: str) -> Status:
    """Report what keeps a platform from being built while others, as `run` tells, go on."""
    return _status(build, run, now, run.phase, reason, f"{run.message}; {message}")


def under_way(build: ImageBuild, run: Status, now: datetime, summary: Summary) -> Status:
    """Report what the pods of a run do."""
    but: dict[ConditionType, Truth] = {"Ready": "False"} if summary.is_troubled else {}
    since = _since(run) if summary.phase == "Building" else ""
    told = _status(build, run, now, summary.phase, summary.reason, summary.message + since, but)
    return replace(told, progress=summary.progress)


def _since(run: Status) -> str:
    return f", since {run.run.cause}" if run.run.cause else ""


def retrying(build: ImageBuild, run: Status, now: datetime, failure: BuildFailure) -> Status:
    """Report that an attempt failed and another one follows."""
    message = f"attempt {run.run.attempt} failed and is followed by another one: {failure.message}"
    return _status(build, replace(run, failure=failure), now, "Retrying", failure.reason, message)


def succeeded(
    build: ImageBuild, run: Status, now: datetime, images: Sequence[str], result: BuildResult, end: datetime
) -> Status:
    """Report that the image is built and pushed to all of `images`."""
    run = with_result(run, result)
    output = Output.at(images, result.digest, size_of(result.size))
    note = None if result.already_pushed else _taken(run.steps)
    return _success(build, run, now, output, end, note)


def index_output(run: Status, images: Sequence[str], answer: IndexResult) -> Output:
    """Tell of an index that was pushed to `images`, with those of all platforms of a run in it."""
    platforms = tuple(
        PlatformOutput(platform=it.platform, digest=it.digest or "", size=it.size) for it in run.run.platforms
    )
    return Output.at(images, answer.digest, size_of(answer.size), platforms)


def published(
    build: ImageBuild, run: Status, now: datetime, output: Output, end: datetime, *, is_new: bool
) -> Status:
    """Report that the images of all platforms are pushed, and their index."""
    names = ", ".join(it.platform for it in output.platforms)
    return _success(build, run, now, output, end, f", for {names}{_taken(run.steps)}" if is_new else None)


def _success(
    build: ImageBuild, run: Status, now: datetime, output: Output, end: datetime, note: str | None
) -> Status:
    """Report a success; without a note nothing was built, since it was there already."""
    last = LastSucceeded(digest=output.digest, time=format_time(end), inputs_hash=run.inputs_hash)
    run = replace(_ended(run, end), output=output, failure=None, last_succeeded=last)
    run = replace(run, history=_history(run, "Succeeded", last.digest))
    if note is None:
        message = f"{output.image} was there already, with digest {output.digest}, made of the same inputs"
        return _status(build, run, now, "Succeeded", StateReason.ALREADY_PUSHED, message)
    message = f"{output.image} was built and pushed with digest {output.digest}{note}"
    return _status(build, run, now, "Succeeded", StateReason.SUCCEEDED, message)


def size_of(size: int) -> int | None:
    """Give a number of bytes that an executor told, if it can be one."""
    return size if 0 < size < _LONGEST_SIZE else None


def _taken(steps: Steps | None) -> str:
    """Tell what the cache was good for; of the steps, those that change files count."""
    if steps is None or not steps.cached:
        return ""
    return f", {steps.cached} of {steps.cached + (steps.performed or 0)} steps from the cache"


def failed(
    build: ImageBuild, run: Status, now: datetime, failure: BuildFailure, end: datetime | None
) -> Status:
    """Report that the build failed for good; without `end`, that it never began."""
    run = replace(run if end is None else _ended(run, end), failure=failure)
    if end is not None:
        run = replace(run, history=_history(run, "Failed", None))
    return _status(build, run, now, "Failed", failure.reason, failure.message)


def suspended(build: ImageBuild, run: Status, now: datetime) -> Status:
    """Report that nothing is built because the spec says so."""
    message = "spec.suspend is true: nothing is built until it is false"
    return _status(build, run, now, "Suspended", StateReason.SUSPENDED, message)


def forbidden(build: ImageBuild, ended: Status, now: datetime) -> Status:
    """Report that a change that came while a build ran, which has `ended`, is not built."""
    message = (
        "the inputs changed while a build ran, and concurrencyPolicy Forbid leaves such a change unbuilt:"
        " set the annotation yadokari.dev/rebuild-requested-at to build it"
    )
    but: dict[ConditionType, Truth] = {"Ready": "False", "Stalled": "True"}
    return _status(build, ended, now, ended.phase, StateReason.CHANGE_FORBIDDEN, message, but)


def kept(build: ImageBuild, run: Status, now: datetime) -> Status:
    """Report the same as before, for the generation of the spec that was seen now."""
    seen = build.generation
    if run.phase == "Succeeded" and 0 < run.observed_generation < seen:
        message = "nothing that makes the image has changed: it is built and pushed already"
        run = replace(run, refused_hash="")
        return _status(build, run, now, "Succeeded", StateReason.UP_TO_DATE, message)
    conditions = tuple(replace(condition, observed_generation=seen) for condition in run.conditions)
    return replace(run, observed_generation=seen, conditions=conditions)


def with_rivals(
    build: ImageBuild, report: Status, rivals: Mapping[str, Sequence[Key]], now: datetime
) -> Status:
    """Add to a report who else pushes to the same places; what is in other namespaces is not named."""
    conditions = [it for it in report.conditions if it.type != "DestinationShared"]
    if rivals:
        (place, others), *more = rivals.items()
        names = [key.name for key in others if key.namespace == build.key.namespace]
        who = f"ImageBuild {names[0]}" if names else "an ImageBuild of another namespace"
        message = f"{place} is a destination of {who}, too: the later push overwrites the earlier one"
        if more:
            message += f" (and so is it with {len(more)} more)"
        shared = Condition(
            type="DestinationShared",
            status="True",
            reason=StateReason.DESTINATION_SHARED,
            message=message,
            observed_generation=build.generation,
            last_transition_time=format_time(now),
        )
        conditions += carried_over([shared], build.status.conditions)
    return replace(report, conditions=tuple(conditions))


def failed_attempt(failure: Failure, retry: Retry, code: int | None) -> BuildFailure:
    """Tell of an attempt that failed and whose executor ended with `code`, if it did."""
    return BuildFailure(
        reason=failure.reason,
        message=failure.message,
        exit_code=code,
        stage=word(failure.stage) or None,
        line=failure.line if 0 < failure.line <= _MOST else None,
        log_tail=failure.log_tail or None,
        retryable=retry is not Retry.NEVER,
    )


def with_results(run: Status, results: Sequence[BuildResult]) -> Status:
    """Add what the executors tell, of which each built for a platform; bases are those of all."""
    told = run
    for result in results:
        told = with_result(told, result)
    bases = dict.fromkeys([*run.bases, *(base for it in results for base in with_result(run, it).bases)])
    return replace(told, bases=tuple(bases)[:_MOST_BASES]) if len(results) > 1 or run.run.platforms else told


def with_result(run: Status, result: BuildResult | None) -> Status:
    """Add what the executor tells of how it went."""
    if result is None:
        return run
    return replace(
        run,
        source=_source(word(result.context)),
        bases=tuple(
            Base(reference=base.reference, digest=base.digest)
            for base in result.bases[:_MOST_BASES]
            if _is_right(base)
        ),
        phases=tuple(
            TimedPhase(name=word(phase.name), seconds=round(phase.seconds, 3))
            for phase in result.phases[:_MOST_PHASES]
            if math.isfinite(phase.seconds) and 0 <= phase.seconds <= _MOST
        ),
        steps=steps_of(result),
    )


def in_all(several: Iterable[Steps | None]) -> Steps | None:
    """Add up the steps of several platforms, as far as they are known; `None` where none are."""
    known = [steps for steps in several if steps]
    if not known:
        return None
    misses = dict.fromkeys(chain.from_iterable(steps.misses or () for steps in known))
    saved = [steps.saved_seconds for steps in known]
    return Steps(
        current=sum(steps.current for steps in known),
        total=sum(steps.total for steps in known),
        cached=_sum(steps.cached for steps in known),
        performed=_sum(steps.performed for steps in known),
        missed=_sum(steps.missed for steps in known),
        misses=tuple(misses)[:_MOST_MISSES] or None,
        saved_seconds=None if None in saved else round(sum(filter(None, saved)), 1),
    )


def _sum(numbers: Iterable[int | None]) -> int | None:
    """Add numbers up, unless one is not known."""
    known = [*numbers]
    return None if None in known else sum(filter(None, known))


def steps_of(result: BuildResult) -> Steps | None:
    """Tell how many steps an executor has done; `None` where its numbers cannot be."""
    changing = (result.cached, result.performed)
    are_counted = min(changing) >= 0 and sum(changing) <= result.steps <= result.total_steps <= _MOST
    if not (are_counted and result.total_steps):
        return None
    # The step that failed may have been looked for.
    most = result.performed + (not result.succeeded)
    is_told = 0 <= result.missed <= most and 0 <= result.saved <= _MOST
    return Steps(
        current=result.steps,
        total=result.total_steps,
        cached=result.cached,
        performed=result.performed,
        missed=result.missed if is_told else None,
        misses=tuple(map(word, result.misses[:_MOST_MISSES])) or None,
        saved_seconds=round(result.saved, 1) if is_told else None,
    )


def _is_right(base: BaseImage) -> bool:
    """Whether what is said of a base can be: others will hand its name on, with the logins of the build.

    So it is to be read as an image's, and not as that of a repository of git.
    """
    is_name = len(base.reference) <= _LONGEST_NAME and _REFERENCE.fullmatch(base.reference) is not None
    is_image = is_name and not base.reference.startswith(references.GITHUB)
    return is_image and _DIGEST.fullmatch(base.digest) is not None


def _source(context: str) -> Source | None:
    if not context:
        return None
    return Source(commit=context) if _COMMIT.fullmatch(context) else Source(digest=context)


def word(text: str) -> str:
    """Make a line of text fit to be shown and stored: it is cut, and what is no character is replaced."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:_LONGEST_WORD])


def _status(
    build: ImageBuild,
    run: Status,
    now: datetime,
    phase: Phase,
    reason: str,
    message: str,
    but: Mapping[ConditionType, Truth] = MappingProxyType({}),
) -> Status:
    """Write a status; its conditions are those of the phase `but` for some."""
    truths = {**_TRUTHS[phase], **but}
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
        progress=None,
        conditions=carried_over(conditions, build.status.conditions),
    )


def _ended(status: Status, end: datetime) -> Status:
    run = status.run
    start = datetime.fromisoformat(run.started_at) if run.started_at else end
    duration = format_duration(max(0, round((end - start).total_seconds())))
    return replace(status, run=replace(run, finished_at=format_time(end), duration=duration))


def _history(status: Status, result: RunResult, digest: str | None) -> tuple[PastRun, ...]:
    """Add the latest run to those that have ended, unless it is there already or had no attempt."""
    run, history = status.run, status.history
    if not run.attempt or (history and history[0].number >= run.number):
        return history
    ended = PastRun(
        number=run.number,
        reason=run.reason,
        cause=run.cause,
        result=result,
        failure=status.failure.reason if status.failure and result == "Failed" else None,
        digest=digest,
        inputs_hash=status.inputs_hash,
        started_at=run.started_at,
        finished_at=run.finished_at,
        duration=run.duration,
    )
    return (ended, *history)[:LONGEST_HISTORY]


def format_duration(seconds: int) -> str:
    """Write a span of time for people: 45s, 1m23s, 2h0m5s."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest}s"


def format_time(time: datetime) -> str:
    """Write a time as the Kubernetes API does."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
