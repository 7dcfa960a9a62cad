"""Read a pod: how far its attempt has come and, if it is over, what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from yadokari_api import reasons
from yadokari_api.keys import ANNOTATION_RETRIES, CONTAINER, LABEL_ATTEMPT, LABEL_INPUTS
from yadokari_api.reasons import Reason, Retry
from yadokari_contract.exitcodes import ExitCode
from yadokari_contract.result import BuildResult, Failure, ResultError, parse_result


@dataclass(frozen=True, slots=True)
class Waiting:
    """The pod has not started; `problem` tells what keeps it, if anything but time does."""

    problem: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """The executor runs."""


@dataclass(frozen=True, slots=True)
class Built:
    """The executor has done all that it was asked to do."""

    result: BuildResult
    finished: datetime


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt failed."""

    failure: Failure
    retry: Retry
    finished: datetime


Outcome = Waiting | Running | Built | Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """An attempt's pod; `deleted` is when it is to be gone, if somebody deleted it."""

    name: str
    inputs: str
    attempt: int
    retries: int
    created: datetime
    deleted: datetime | None
    outcome: Outcome

    @property
    def finished(self) -> bool:
        """Whether nothing of it runs any more."""
        return isinstance(self.outcome, Built | Failed)


def parse_pod(resource: Mapping[str, Any]) -> Pod:
    """Read an executor's pod as the API server gives it."""
    metadata = resource["metadata"]
    deleted = metadata.get("deletionTimestamp")
    return Pod(
        name=metadata["name"],
        inputs=metadata["labels"][LABEL_INPUTS],
        attempt=int(metadata["labels"][LABEL_ATTEMPT]),
        retries=int(metadata["annotations"][ANNOTATION_RETRIES]),
        created=parse_time(metadata["creationTimestamp"]),
        deleted=parse_time(deleted) if deleted else None,
        outcome=_outcome(resource),
    )


def parse_time(text: str) -> datetime:
    """Read a time of the Kubernetes API."""
    return datetime.fromisoformat(text)


def _outcome(resource: Mapping[str, Any]) -> Outcome:
    status = resource.get("status", {})
    if status.get("phase") in ("Succeeded", "Failed"):
        return _end(resource, status)
    if status.get("phase") == "Running":
        return Running()
    return Waiting(_problem(status))


# Reasons for which a container waits that pass by themselves; the others are shown to people.
_ORDINARY_WAITING = frozenset({"ContainerCreating", "PodInitializing"})


def _problem(status: Mapping[str, Any]) -> str:
    waiting = _container(status).get("state", {}).get("waiting", {})
    reason = waiting.get("reason", "")
    if reason and reason not in _ORDINARY_WAITING:
        return _sentence(reason, waiting.get("message", ""))
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return _sentence(condition.get("reason", ""), condition.get("message", ""))
    return ""


def _end(resource: Mapping[str, Any], status: Mapping[str, Any]) -> Built | Failed:
    ended = _container(status).get("state", {}).get("terminated", {})
    finished = parse_time(ended.get("finishedAt") or _last_change(resource))
    result, log = _result(ended.get("message", ""))
    # The result is trusted before the reason: where the kernel killed a step's child for want of memory and
    # the step went on, the container's reason is OOMKilled all the same.
    if ended.get("exitCode") == ExitCode.OK and result is not None and result.succeeded:
        return Built(result, finished)
    failure, retry = _by_pod(resource, status, ended) or _by_executor(result, log, ended)
    return Failed(failure, retry, finished)


def _by_pod(
    resource: Mapping[str, Any], status: Mapping[str, Any], ended: Mapping[str, Any]
) -> tuple[Failure, Retry] | None:
    """Tell what the cluster did to the pod, if that is why it failed."""
    reason, message = status.get("reason", ""), status.get("message", "")
    if reason == "DeadlineExceeded":
        limit = resource["spec"].get("activeDeadlineSeconds")
        return _because(reasons.TIMEOUT, f"the build took longer than its timeout of {limit} s")
    if ended.get("reason") == "OOMKilled":
        return _because(reasons.OUT_OF_MEMORY, _out_of_memory(resource))
    if _disrupted(status) or not ended:
        lost = reasons.POD_LOST
        return Failure(reason or lost.name, message or "the pod was stopped by the cluster"), lost.retry
    if reason == "Evicted":
        return _because(reasons.EVICTED, message)
    return None


def _because(reason: Reason, message: str) -> tuple[Failure, Retry]:
    return Failure(reason.name, message), reason.retry


def _disrupted(status: Mapping[str, Any]) -> bool:
    """Whether the pod had to go for reasons that are not its own: preemption, drain, a node short of memory.

    A pod evicted for exceeding a limit of its own does not have this condition.
    """
    conditions = status.get("conditions", [])
    return any(c["type"] == "DisruptionTarget" and c["status"] == "True" for c in conditions)


def _out_of_memory(resource: Mapping[str, Any]) -> str:
    executor = next(c for c in resource["spec"]["containers"] if c["name"] == CONTAINER)
    limits = executor.get("resources", {}).get("limits", {})
    if "memory" in limits:
        return (
            f"the build needed more memory than its limit of {limits['memory']}:"
            " raise spec.executor.resources.limits.memory"
        )
    return "the build needed more memory than the node has: set spec.executor.resources.requests.memory"


def _by_executor(result: BuildResult | None, log: str, ended: Mapping[str, Any]) -> tuple[Failure, Retry]:
    """Tell what the executor says of its end: by its result or, without one, by the exit code."""
    status = ended.get("exitCode", -1)
    code = ExitCode(status) if status in iter(ExitCode) else None
    if result is not None and result.failure is not None:
        return result.failure, _retry(code)
    reason = reasons.CANCELLED if code is ExitCode.CANCELLED else reasons.EXECUTOR_FAILED
    message = f"the executor ended with exit code {status} and without a result"
    if ended.get("reason") not in (None, "Error", "Completed"):
        message = _sentence(ended["reason"], log or message)
    return Failure(reason.name, message, log_tail=log), _retry(code)


def _retry(code: ExitCode | None) -> Retry:
    if code is ExitCode.CANCELLED:
        return reasons.CANCELLED.retry
    return Retry.COUNTED if code is not None and code.retryable else Retry.NEVER


def _result(message: str) -> tuple[BuildResult | None, str]:
    """Split a termination message into the result that it is, or the log's end that stands in for one."""
    try:
        return parse_result(message), ""
    except ResultError:
        return None, message


def _container(status: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((c for c in status.get("containerStatuses", []) if c["name"] == CONTAINER), {})


def _last_change(resource: Mapping[str, Any]) -> str:
    times: list[str] = [c.get("lastTransitionTime") or "" for c in resource["status"].get("conditions", [])]
    return max(times, default="") or str(resource["metadata"]["creationTimestamp"])


def _sentence(reason: str, message: str) -> str:
    return f"{reason}: {message}" if message else reason
