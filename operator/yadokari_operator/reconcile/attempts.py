"""Which attempt comes next, and when."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from yadokari_api.fields import seconds
from yadokari_api.pod.platforms import word_of
from yadokari_api.reasons import StateReason
from yadokari_api.spec import ImageBuildSpec
from yadokari_api.status import Status
from yadokari_contract.reasons import Retry
from yadokari_operator import reports
from yadokari_operator.pods.arguments import Task
from yadokari_operator.pods.names import pod_name
from yadokari_operator.pods.observed import Pod
from yadokari_operator.pods.outcome import Failed, Waiting
from yadokari_operator.pods.render import Attempt
from yadokari_operator.policies import Violation, ruled
from yadokari_operator.reconcile.cleaning import GRACE
from yadokari_operator.reconcile.decision import Observed

_FIRST_DELAY = 10.0
_LONGEST_DELAY = 300.0


def delay(attempt: int) -> float:
    """Tell how many seconds to wait after this attempt: twice as long each time."""
    return min(_FIRST_DELAY * 2.0 ** min(attempt - 1, 10), _LONGEST_DELAY)


def is_retried(latest: Pod, outcome: Failed, spec: ImageBuildSpec) -> bool:
    """Whether another attempt follows one that has failed."""
    used_up = outcome.retry is Retry.COUNTED and latest.retries >= spec.retries
    return outcome.retry is not Retry.NEVER and not used_up


def waits(
    observed: Observed, status: Status, latest: Pod, outcome: Waiting, now: datetime, note: str
) -> Status:
    """Report that an attempt's executor has not started."""
    report = reports.blocked if outcome.problem else reports.waiting
    return report(observed.build, status, now, outcome.reason, told(latest, outcome) + note)


def told(latest: Pod, outcome: Waiting) -> str:
    """Tell what a pod waits for."""
    if outcome.gates and not outcome.problem:
        return f"pod {latest.name} waits for {', '.join(outcome.gates)} to let it go"
    return outcome.problem or f"pod {latest.name} is about to start"


def deadline(latest: Pod, spec: ImageBuildSpec) -> datetime | None:
    """Tell when an attempt has taken too long: the kubelet sees to it, but a dead node has none.

    How long a queue lets a pod wait is that queue's to say: time counts from when a node takes it.
    """
    waits_since = latest.accepted if latest.queued else latest.created
    if waits_since is None:
        return None
    if isinstance(latest.outcome, Waiting) and spec.pending_timeout is not None:
        return waits_since + timedelta(seconds=seconds(spec.pending_timeout))
    timeout = seconds(spec.timeout)
    if latest.accepted is None:
        return latest.created + timedelta(seconds=timeout)
    return latest.accepted + timedelta(seconds=latest.limit or timeout) + GRACE


def next_attempt(
    observed: Observed, run: str, number: int, retries: int, task: Task, base: str = ""
) -> Attempt:
    """Give the attempt of a run with this number, or a later one where others have the names before it."""
    while pod_name(observed.build.key.name, run, number, task.part) in observed.taken:
        number += 1
    return Attempt(run=run, number=number, retries=retries, task=task, base=base)


def starting(observed: Observed, status: Status, attempt: Attempt, now: datetime) -> Status:
    """Report that the pod of an attempt is made."""
    part = attempt.task.part
    name = pod_name(observed.build.key.name, attempt.run, attempt.number, part)
    begun: dict[str, Any] = {"attempt": attempt.number, "retries": attempt.retries, "pod": name, "node": None}
    platforms = tuple(
        replace(it, **begun) if word_of(it.platform) == part else it for it in status.run.platforms
    )
    run = replace(status.run, platforms=platforms, **begun)
    message = f"pod {name} is about to start"
    return reports.waiting(observed.build, replace(status, run=run), now, StateReason.SCHEDULING, message)


def allowed(observed: Observed, spec: ImageBuildSpec) -> ImageBuildSpec | Violation:
    """Give a spec with what policies say of it, or why they do not let it be built."""
    policies = observed.policies
    return policies if isinstance(policies, Violation) else ruled(spec, policies)
