"""A run of earlier inputs that the next one does not replace: concurrencyPolicy Queue and Forbid."""

from dataclasses import replace
from datetime import datetime, timedelta

from yadokari_api.fields import seconds
from yadokari_api.status import Status
from yadokari_operator import reports
from yadokari_operator.pods.inputs import Inputs
from yadokari_operator.pods.names import run_in
from yadokari_operator.pods.observed import Pod, Standing
from yadokari_operator.pods.outcome import Built, Failed, shown
from yadokari_operator.reconcile.cleaning import GRACE, Keeping, clean
from yadokari_operator.reconcile.decision import Decision, Observed, decided, earliest
from yadokari_operator.reconcile.identity import is_asked_for

_NOTES = {
    "Queue": "; the inputs have changed since, and are built after it",
    "Forbid": "; the inputs have changed since, which concurrencyPolicy Forbid leaves unbuilt",
}


def before_it(observed: Observed, inputs: Inputs, now: datetime) -> Decision | None:
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
    latest = max(pods, key=lambda pod: pod.attempt, default=None)
    if latest is None or latest.attempt < before.run.attempt:
        return None
    if spec.concurrency_policy == "Forbid":
        before = replace(before, refused_hash=inputs.hash)
    return _until_its_end(observed, inputs, before, latest, now)


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
            limit = latest.limit or seconds(inputs.spec.timeout)
            end = (latest.accepted or latest.created) + timedelta(seconds=limit) + GRACE
            if now >= end or latest.deleted is not None:
                return None
            note = _NOTES[inputs.spec.concurrency_policy]
            report = reports.building(build, before, now, observed.progress, note)
    # What has ended is looked at again: the next run may begin.
    return _decided(observed, inputs, latest.run, report, now, end)


def _decided(
    observed: Observed, inputs: Inputs, run: str, report: Status, now: datetime, due: datetime | None
) -> Decision:
    cleaning = clean(observed, run, observed.build.status, Keeping.of(inputs.spec), now)
    due = earliest(due, cleaning.due)
    return decided(observed.build, report, now, *cleaning.actions, due=due)
