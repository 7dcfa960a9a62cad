"""A run of earlier inputs that the next one does not replace: concurrencyPolicy Queue and Forbid."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from yadokari_api.fields import seconds
from yadokari_api.platforms import word_of
from yadokari_api.status import PlatformRun, Status
from yadokari_operator import reports
from yadokari_operator.pods.inputs import Inputs
from yadokari_operator.pods.names import run_in
from yadokari_operator.pods.observed import Pod, Standing
from yadokari_operator.pods.outcome import Built, Failed, shown
from yadokari_operator.reconcile.cleaning import GRACE, Keeping, clean
from yadokari_operator.reconcile.decision import Action, Decision, Observed, decided, earliest
from yadokari_operator.reconcile.identity import is_asked_for
from yadokari_operator.reconcile.publishing import Publishing
from yadokari_operator.settings import Settings

_NOTES = {
    "Queue": "; the inputs have changed since, and are built after it",
    "Forbid": "; the inputs have changed since, which concurrencyPolicy Forbid leaves unbuilt",
}


def before_it(observed: Observed, inputs: Inputs, settings: Settings, now: datetime) -> Decision | None:
    """Decide while the run before keeps these inputs from being built; `None` where it does not.

    Its attempt comes to its end, but no other attempt of it follows: its inputs are known no more.
    """
    spec, before = inputs.spec, observed.build.status
    run = run_in(observed.build.key.name, before.run.pod)
    if spec.concurrency_policy == "Replace" or spec.suspend or not run:
        return None
    if before.finished:
        refused = before.refused_hash == inputs.hash and not is_asked_for(observed)
        report = reports.forbidden(observed.build, before, now)
        return _decided(observed, inputs, run, report, now, None) if refused else None
    pods = [pod for pod in observed.pods if pod.standing is Standing.OURS and pod.run == run]
    if before.run.platforms:
        return _until_all_ended(observed, inputs, settings, pods, now)
    latest = max(pods, key=lambda pod: pod.attempt, default=None)
    if latest is None or latest.attempt < before.run.attempt:
        return None
    return _until_its_end(observed, inputs, _refusing(before, inputs), latest, now)


def _refusing(before: Status, inputs: Inputs) -> Status:
    """Note what is not to be built, if the spec says so."""
    is_refused = inputs.spec.concurrency_policy == "Forbid"
    return replace(before, refused_hash=inputs.hash) if is_refused else before


def _until_its_end(
    observed: Observed, inputs: Inputs, before: Status, latest: Pod, now: datetime
) -> Decision | None:
    build, end = observed.build, latest.finished
    match latest.outcome:
        case Built(result, finished):
            # Where it went the spec that it was made for told.
            images = [*map(shown, result.images)] or [to.image for to in inputs.spec.destinations]
            report = reports.succeeded(build, before, now, images, result, finished)
        case Failed(failure, retry, finished, code, result):
            told = reports.failed_attempt(failure, retry, code)
            report = reports.failed(build, reports.with_result(before, result), now, told, finished)
        case _:
            end = _end(latest, inputs)
            if now >= end or latest.deleted is not None:
                return None
            note = _NOTES[inputs.spec.concurrency_policy]
            report = reports.building(build, before, now, note)
    # What has ended is looked at again: the next run may begin.
    return _decided(observed, inputs, latest.run, report, now, end)


def _end(pod: Pod, inputs: Inputs) -> datetime:
    """Tell when a pod has to have ended."""
    limit = pod.limit or seconds(inputs.spec.timeout)
    return (pod.accepted or pod.created) + timedelta(seconds=limit) + GRACE


def _until_all_ended(
    observed: Observed, inputs: Inputs, settings: Settings, pods: Sequence[Pod], now: datetime
) -> Decision | None:
    """Decide while the platforms of the run before are built, and their index is published."""
    build, before = observed.build, _refusing(observed.build.status, inputs)
    name = run_in(build.key.name, before.run.pod)
    latest = {it.platform: _latest(it, pods) for it in before.run.platforms}
    seen = tuple(_seen(it, latest[it.platform]) for it in before.run.platforms)
    before = replace(before, run=replace(before.run, platforms=seen))
    missing = {it.platform: latest[it.platform] for it in seen if it.digest is None}
    for platform, pod in missing.items():
        if pod is not None and isinstance(pod.outcome, Failed):
            outcome = pod.outcome
            told = reports.failed_attempt(outcome.failure, outcome.retry, outcome.exit_code)
            told = replace(told, message=f"{platform}: {told.message}")
            report = reports.failed(build, before, now, told, outcome.finished)
            return _decided(observed, inputs, name, report, now, outcome.finished)
    ends = [_end(pod, inputs) for pod in missing.values() if pod is not None and pod.deleted is None]
    if len(ends) < len(missing) or (ends and now >= min(ends)):
        return None
    if missing:
        report = reports.building(build, before, now, _NOTES[inputs.spec.concurrency_policy])
        return _decided(observed, inputs, name, report, now, min(ends))
    # Where it went the spec that it was made for told.
    images = next((pod.destinations for pod in pods), ())
    if not images:
        return None
    publishing = Publishing(
        observed=observed,
        spec=inputs.spec,
        images=images,
        settings=settings,
        run=name,
        status=before,
        now=now,
    )
    step = publishing.step()
    due = now if step.report.finished else step.due
    return _decided(observed, inputs, name, step.report, now, due, *step.actions)


def _latest(platform: PlatformRun, pods: Sequence[Pod]) -> Pod | None:
    part = word_of(platform.platform)
    mine = (pod for pod in pods if pod.part == part and pod.attempt >= platform.attempt)
    return max(mine, key=lambda pod: pod.attempt, default=None)


def _seen(platform: PlatformRun, latest: Pod | None) -> PlatformRun:
    """Note the image of a platform that is built by now."""
    if platform.digest or latest is None or not isinstance(latest.outcome, Built):
        return platform
    result = latest.outcome.result
    return replace(platform, digest=result.digest, size=reports.size_of(result.size))


def _decided(
    observed: Observed,
    inputs: Inputs,
    run: str,
    report: Status,
    now: datetime,
    due: datetime | None,
    *actions: Action,
) -> Decision:
    cleaning = clean(observed, run, observed.build.status, Keeping.of(inputs.spec), now)
    due = earliest(due, cleaning.due)
    return decided(observed.build, report, now, *cleaning.actions, *actions, due=due)
