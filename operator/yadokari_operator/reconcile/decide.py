"""Decide what is to be done for an ImageBuild, and what to report where that is refused."""

from dataclasses import replace
from datetime import datetime, timedelta

from pydantic import ValidationError

from yadokari_api.imagebuild import ImageBuild
from yadokari_api.model import explain
from yadokari_api.reasons import StateReason
from yadokari_api.spec import ImageBuildSpec
from yadokari_api.status import BuildFailure, Status
from yadokari_contract.reasons import Retry
from yadokari_operator import reports
from yadokari_operator.events import sharing
from yadokari_operator.pods.inputs.gathered import gather
from yadokari_operator.pods.inputs.missing import Missing
from yadokari_operator.pods.lodging import familiar
from yadokari_operator.pods.names import run_in
from yadokari_operator.pods.observed import base_of
from yadokari_operator.reconcile.cleaning import Keeping, clean
from yadokari_operator.reconcile.decision import Decision, Delete, Observed, decided
from yadokari_operator.reconcile.lodging import without
from yadokari_operator.reconcile.rebuilds.rebuild import looked_ahead
from yadokari_operator.reconcile.rebuilds.timetable import ScheduleError, Timetable
from yadokari_operator.reconcile.run import Run
from yadokari_operator.settings import Settings
from yadokari_operator.turns import Place

_SHORTEST_WAIT = timedelta(seconds=10)
_LONGEST_WAIT = timedelta(seconds=300)
# The place in the queue is told anew the less often the farther it is from the front.
_FOR_EACH = timedelta(seconds=15)


def reconcile(observed: Observed, settings: Settings, now: datetime) -> Decision:
    """Decide what is to be done for an ImageBuild."""
    return _with_rivals(observed, _decide(observed, settings, now), now)


def _with_rivals(observed: Observed, decision: Decision, now: datetime) -> Decision:
    build, rivals = observed.build, observed.rivals
    status = reports.with_rivals(build, decision.status, rivals, now)
    return replace(
        decision,
        status=status,
        unacted=reports.with_rivals(build, decision.unacted, rivals, now),
        events=tuple(filter(None, [*decision.events, sharing(build.status, status)])),
    )


def _decide(observed: Observed, settings: Settings, now: datetime) -> Decision:
    build = observed.build
    try:
        spec = ImageBuildSpec.model_validate(build.spec)
        if spec.rebuild and spec.rebuild.schedule:
            Timetable.of(spec.rebuild.schedule, now)
    except (ValidationError, ScheduleError) as error:
        message = explain(error, "spec") if isinstance(error, ValidationError) else str(error)
        failure = BuildFailure(reason=StateReason.INVALID_SPEC, message=message)
        report = reports.failed(build, reports.unbegun(build), now, failure, None)
        cleaning = clean(observed, "", None, Keeping(), now)
        return decided(build, report, now, *cleaning.actions, due=cleaning.due)
    inputs = gather(spec, observed.sources, observed.artifact)
    if isinstance(inputs, Missing):
        decision = _without_inputs(observed, spec, inputs, now)
    else:
        decision = Run(observed, inputs, settings, now).decide()
    return looked_ahead(observed, spec, decision, now)


def held(observed: Observed, decision: Decision, place: Place, now: datetime) -> Decision:
    """Decide what to report where it is not yet a build's turn; what is to go goes all the same."""
    build = observed.build
    turn = f"number {place.position} of {place.of} in the queue"
    message = f"waits for its turn: {turn}, while {place.running} builds run"
    report = _kept_from_beginning(build, decision.unacted, now, StateReason.QUEUED, message)
    deletions = [action for action in decision.actions if isinstance(action, Delete)]
    due = now + min(max(_SHORTEST_WAIT, _FOR_EACH * place.position), _LONGEST_WAIT)
    return _with_rivals(observed, decided(build, report, now, *deletions, due=due), now)


def refused(
    observed: Observed, decision: Decision, reason: StateReason, message: str, now: datetime
) -> Decision:
    """Decide what to report where the API server refuses an action of a decision.

    What is refused because it is wrong would be refused again; anything else, such as a quota, is asked for
    again, the less often the longer that lasts.
    """
    build = observed.build
    base = next(filter(None, map(base_of, decision.pods)), "")
    if base and reason is not StateReason.QUOTA_EXCEEDED:
        said = f"a pod of {familiar(base)} is refused, so an ordinary one is made: {message}"
        status = without(decision.unacted, base, message)
        report = _kept_from_beginning(build, status, now, StateReason.SCHEDULING, said)
        return _with_rivals(observed, decided(build, report, now, due=now), now)
    if reason.retry is Retry.NEVER:
        failure = BuildFailure(reason=reason, message=message)
        report = reports.failed(build, decision.unacted, now, failure, None)
        return _with_rivals(observed, decided(build, report, now), now)
    report = _kept_from_beginning(build, decision.unacted, now, reason, message)
    since = datetime.fromisoformat(report.conditions[0].last_transition_time)
    due = now + min(max(_SHORTEST_WAIT, (now - since) / 4), _LONGEST_WAIT)
    return _with_rivals(observed, decided(build, report, now, due=due), now)


def _kept_from_beginning(
    build: ImageBuild, unacted: Status, now: datetime, reason: StateReason, message: str
) -> Status:
    """Report why an attempt does not begin; other platforms may be built meanwhile."""
    if unacted.run.platforms and unacted.phase == "Building":
        return reports.beside(build, unacted, now, reason, message)
    report = reports.waiting if reason is StateReason.QUEUED else reports.blocked
    return report(build, unacted, now, reason, message)


def _without_inputs(observed: Observed, spec: ImageBuildSpec, missing: Missing, now: datetime) -> Decision:
    """Decide while a source is missing: what is finished stays so, anything else ends and waits for it.

    What cannot be built ends as well, and is failed.
    """
    build, before = observed.build, observed.build.status
    asked = build.rebuild not in ("", before.rebuild_requested_at)
    wrong = missing.reason.retry is Retry.NEVER
    stays = before.finished and before.observed_generation == build.generation and not (asked or wrong)
    if stays:
        report = before
    elif wrong:
        failure = BuildFailure(reason=missing.reason, message=missing.message)
        report = reports.failed(build, reports.unbegun(build), now, failure, None)
    else:
        report = reports.blocked(build, reports.unbegun(build), now, missing.reason, missing.message)
    run = run_in(build.key.name, before.run.pod) if stays else ""
    cleaning = clean(observed, run, before if stays else None, Keeping.of(spec), now)
    return decided(build, report, now, *cleaning.actions, due=cleaning.due)
