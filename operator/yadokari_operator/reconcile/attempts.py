"""Which attempt comes next, and when."""

from dataclasses import replace
from datetime import datetime

from yadokari_api.reasons import StateReason
from yadokari_api.spec import ImageBuildSpec
from yadokari_api.status import Status
from yadokari_contract.reasons import Retry
from yadokari_operator import reports
from yadokari_operator.pods.names import pod_name
from yadokari_operator.pods.observed import Pod
from yadokari_operator.pods.outcome import Failed
from yadokari_operator.pods.render import Attempt
from yadokari_operator.policies import Violation, ruled
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


def next_attempt(observed: Observed, run: str, number: int, retries: int) -> Attempt:
    """Give the attempt of a run with this number, or a later one where others have the names before it."""
    while pod_name(observed.build.key.name, run, number) in observed.taken:
        number += 1
    return Attempt(run=run, number=number, retries=retries)


def starting(observed: Observed, status: Status, attempt: Attempt, now: datetime) -> Status:
    """Report that the pod of an attempt is made."""
    name = pod_name(observed.build.key.name, attempt.run, attempt.number)
    run = replace(status.run, attempt=attempt.number, retries=attempt.retries, pod=name, node=None)
    message = f"pod {name} is about to start"
    return reports.waiting(observed.build, replace(status, run=run), now, StateReason.SCHEDULING, message)


def allowed(observed: Observed, spec: ImageBuildSpec) -> ImageBuildSpec | Violation:
    """Give a spec with what policies say of it, or why they do not let it be built."""
    policies = observed.policies
    return policies if isinstance(policies, Violation) else ruled(spec, policies)
