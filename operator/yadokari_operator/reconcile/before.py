"""A run of earlier inputs that the next one does not replace: concurrencyPolicy Queue and Forbid."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from yadokari_api.pod.platforms import word_of
from yadokari_api.status import PlatformRun, Status
from yadokari_contract.reasons import Retry
from yadokari_operator import reports
from yadokari_operator.pods.arguments import Task
from yadokari_operator.pods.inputs.gathered import Inputs
from yadokari_operator.pods.names import run_in
from yadokari_operator.pods.observed import Pod, Standing
from yadokari_operator.pods.outcome import Built, Failed, Running, Waiting, shown
from yadokari_operator.pods.placement import on_nodes_as, on_nodes_of
from yadokari_operator.pods.render import pod
from yadokari_operator.policies import Violation
from yadokari_operator.reconcile.attempts import (
    allowed,
    deadline,
    delay,
    is_retried,
    next_attempt,
    starting,
    waits,
)
from yadokari_operator.reconcile.cleaning import Keeping, clean
from yadokari_operator.reconcile.decision import Action, Create, Decision, Observed, decided, earliest
from yadokari_operator.reconcile.identity import is_asked_for
from yadokari_operator.reconcile.live import furthest_back, lives
from yadokari_operator.reconcile.publishing import Publishing
from yadokari_operator.settings import Settings

_NOTES = {
    "Queue": "; the inputs have changed since, and are built after it",
    "Forbid": "; the inputs have changed since, which concurrencyPolicy Forbid leaves unbuilt",
}


def before_it(observed: Observed, inputs: Inputs, settings: Settings, now: datetime) -> Decision | None:
    """Decide while the run before keeps these inputs from being built; `None` where it does not.

    It comes to its end, with other attempts where it fails by the network: its inputs are known no more, but
    its latest pod tells what to make of them.
    """
    spec, before = inputs.spec, observed.build.status
    run = run_in(observed.build.key.name, before.run.pod)
    if spec.concurrency_policy == "Replace" or spec.suspend or not run:
        return None
    if before.finished:
        refused = before.refused_hash == inputs.hash and not is_asked_for(observed)
        report = reports.forbidden(observed.build, before, now)
        return _decided(observed, inputs, run, report, now) if refused else None
    pods = [pod for pod in observed.pods if pod.standing is Standing.OURS and pod.run == run]
    if before.run.platforms:
        return _until_all_ended(observed, inputs, settings, pods, now)
    latest = max(pods, key=lambda pod: pod.attempt, default=None)
    if latest is None or latest.attempt < before.run.attempt:
        return None
    before = _refusing(before, inputs)
    if isinstance(latest.outcome, Failed) and is_retried(latest, latest.outcome, inputs.spec):
        return _again(observed, inputs, settings, before, latest, latest.outcome, now)
    return _until_its_end(observed, inputs, before, latest, now)


def _refusing(before: Status, inputs: Inputs) -> Status:
    """Note what is not to be built, if the spec says so."""
    is_refused = inputs.spec.concurrency_policy == "Forbid"
    return replace(before, refused_hash=inputs.hash) if is_refused else before


def _again(
    observed: Observed,
    inputs: Inputs,
    settings: Settings,
    before: Status,
    latest: Pod,
    outcome: Failed,
    now: datetime,
) -> Decision | None:
    """Decide that another attempt of the run before follows, made of the latest pod."""
    before = reports.with_result(before, outcome.result)
    begin = outcome.finished + timedelta(seconds=delay(latest.attempt))
    if now < begin:
        told = reports.failed_attempt(outcome.failure, outcome.retry, outcome.exit_code)
        report = reports.retrying(observed.build, before, now, told)
        return _decided(observed, inputs, latest.run, report, now, due=begin)
    spec = allowed(observed, on_nodes_as(latest.node_selector, inputs.spec))
    if isinstance(spec, Violation):
        return None
    retries = latest.retries + (outcome.retry is Retry.COUNTED)
    task = Task(part=latest.part)
    attempt = next_attempt(observed, latest.run, latest.attempt + 1, retries, task)
    made = latest.makings.put_into(pod(observed.build, replace(inputs, spec=spec), settings, attempt))
    report = starting(observed, before, attempt, now)
    return _decided(observed, inputs, latest.run, report, now, Create(made), unacted=before)


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
            end = deadline(latest, inputs.spec)
            if (end is not None and now >= end) or latest.deleted is not None:
                return None
            note = _NOTES[inputs.spec.concurrency_policy]
            if isinstance(latest.outcome, Waiting):
                report = waits(observed, before, latest, latest.outcome, now, note)
            else:
                (live,) = lives([("", latest.name)], observed.progress, before.progress)
                report = reports.building(build, before, now, live, note)
    # What has ended is looked at again: the next run may begin.
    return _decided(observed, inputs, latest.run, report, now, due=end)


def _until_all_ended(
    observed: Observed, inputs: Inputs, settings: Settings, pods: Sequence[Pod], now: datetime
) -> Decision | None:
    """Decide while the platforms of the run before are built, and their index is published."""
    build, before = observed.build, _refusing(observed.build.status, inputs)
    name = run_in(build.key.name, before.run.pod)
    latest = {it.platform: _latest(it, pods) for it in before.run.platforms}
    seen = tuple(_seen(it, latest[it.platform]) for it in before.run.platforms)
    before = replace(before, run=replace(before.run, platforms=seen))
    unbuilt = [it for it in seen if it.digest is None]
    missing = {it.platform: pod for it in unbuilt if (pod := latest[it.platform]) is not None}
    unbegun = [it for it in unbuilt if it.platform not in missing]
    if any(it.attempt for it in unbegun):
        return None
    running = [(word, it.name) for word, it in missing.items() if isinstance(it.outcome, Running)]
    progress = furthest_back(lives(running, observed.progress, before.progress))
    meanwhile = reports.building(build, before, now, progress, _NOTES[inputs.spec.concurrency_policy])
    for platform, latest_pod in missing.items():
        if latest_pod.deleted is not None and latest_pod.finished is None:
            return None
        if isinstance(outcome := latest_pod.outcome, Failed):
            if is_retried(latest_pod, outcome, inputs.spec):
                again = _again(observed, inputs, settings, before, latest_pod, outcome, now)
                return again and replace(again, unacted=meanwhile)
            told = reports.failed_attempt(outcome.failure, outcome.retry, outcome.exit_code)
            told = replace(told, message=f"{platform}: {told.message}")
            report = reports.failed(build, before, now, told, outcome.finished)
            return _decided(observed, inputs, name, report, now, due=outcome.finished)
    if unbegun:
        first = _first(observed, inputs, settings, before, unbegun[0].platform, pods, now)
        return first and replace(first, unacted=meanwhile)
    if missing:
        due = earliest(*(deadline(it, inputs.spec) for it in missing.values()))
        return None if due and now >= due else _decided(observed, inputs, name, meanwhile, now, due=due)
    # Where it went, and what it has, the spec that it was made for told.
    made = next(iter(pods), None)
    spec = allowed(observed, inputs.spec)
    if made is None or not made.destinations or isinstance(spec, Violation):
        return None
    step = Publishing(
        observed=observed,
        spec=spec,
        images=made.destinations,
        settings=settings,
        run=name,
        status=before,
        annotations=made.annotations,
        mark=made.mark,
        now=now,
    ).step()
    due = now if step.report.finished else step.due
    return _decided(observed, inputs, name, step.report, now, *step.actions, due=due)


def _first(
    observed: Observed,
    inputs: Inputs,
    settings: Settings,
    before: Status,
    platform: str,
    pods: Sequence[Pod],
    now: datetime,
) -> Decision | None:
    """Decide that a platform of the run before gets its first attempt, made of the pod for another one."""
    beside = next(iter(pods), None)
    spec = allowed(observed, on_nodes_of(platform, inputs.spec))
    if beside is None or isinstance(spec, Violation):
        return None
    attempt = next_attempt(observed, beside.run, 1, 0, Task(platform, word_of(platform)))
    made = pod(observed.build, replace(inputs, spec=spec), settings, attempt)
    made = beside.makings.for_platform(platform).put_into(made)
    report = starting(observed, before, attempt, now)
    return _decided(observed, inputs, beside.run, report, now, Create(made), due=now)


def _latest(platform: PlatformRun, pods: Sequence[Pod]) -> Pod | None:
    part = word_of(platform.platform)
    mine = (it for it in pods if it.part == part and it.attempt >= platform.attempt)
    return max(mine, key=lambda it: it.attempt, default=None)


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
    *actions: Action,
    unacted: Status | None = None,
    due: datetime | None = None,
) -> Decision:
    cleaning = clean(observed, run, observed.build.status, Keeping.of(inputs.spec), now)
    due = earliest(due, cleaning.due)
    return decided(observed.build, report, now, *cleaning.actions, *actions, unacted=unacted, due=due)
