"""What came of a pod's attempt.

The container `executor` decides, not the pod: a cluster may put containers beside it that run on, and that
fail or are killed when all is done. What the executor says may have been written by a step of the build, so
it is text to show and nothing to trust.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from yadokari_api.keys import CONTAINER
from yadokari_api.reasons import StateReason
from yadokari_contract import references
from yadokari_contract.reasons import SUCCESS, Reason, Retry, retry_after
from yadokari_contract.results.build import BuildResult, Failure, ResultError, parse_result
from yadokari_operator.pods import runtime


@dataclass(frozen=True, slots=True)
class Waiting:
    """The executor has not started; `problem` tells what keeps it, if anything but time does.

    `gates` are those that keep the scheduler from looking at the pod, until somebody lets it go.
    """

    reason: StateReason = StateReason.SCHEDULING
    problem: str = ""
    gates: tuple[str, ...] = ()


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
    """The attempt failed; `result` is what the executor left, `exit_code` its own, if they are known."""

    failure: Failure
    retry: Retry
    finished: datetime
    exit_code: int | None = None
    result: BuildResult | None = None


Outcome = Waiting | Running | Built | Failed

_KILLED = 137
_LARGEST_CODE = 255
_DIGEST = re.compile(references.DIGEST)
_LONGEST = 4096
# What the API server takes for the reason of a condition, and no longer than people read.
_REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]{0,126}[A-Za-z0-9_])?")
# Reasons for which a container waits that pass by themselves; the others are shown to people.
_ORDINARY_WAITING = frozenset({"ContainerCreating", "PodInitializing"})
_NO_IMAGE = frozenset(
    {
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RegistryUnavailable",
    }
)
_NOT_CREATED = _NO_IMAGE | {"CreateContainerError", "RunContainerError"}
_NOT_STARTED = frozenset({"ContainerCannotRun", "StartError"})
# As the kubelet words it where an environment variable comes from nowhere.
_MISSING = (
    (re.compile(r'secret ".*" not found|in Secret '), StateReason.SECRET_NOT_FOUND),
    (re.compile(r'configmap ".*" not found|in ConfigMap '), StateReason.CONFIG_MAP_NOT_FOUND),
)
_LOGIN = re.compile(r"\bDOCKER_AUTH_CONFIG_(?:PULL|PUSH)_[0-9]{1,9}\b", re.ASCII)
_DELETED = "the pod was deleted"
_STOPPED = "the pod was stopped by the cluster"
# Of https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions, and of Kueue.
_OF_THE_CLUSTER = frozenset({"DisruptionTarget", "TerminationTarget"})
_OF_LOST_NODES = frozenset({"DeletionByPodGC", "DeletionByTaintManager"})


def outcome_of(resource: Mapping[str, Any]) -> Outcome:
    """Tell how far the attempt of an executor's pod has come, in words that can be shown and stored.

    Whoever may write a pod or its status may have written them, and the kubelet quotes what others wrote.
    """
    result, _ = _result(termination_message(resource))
    finished = finished_at(resource)
    # The result is trusted before the reason: where the kernel killed a step's child for want of memory and
    # the step went on, the container's reason is OOMKilled all the same.
    if finished and ended_well(resource) and result is not None and _is_success(result):
        return Built(result, finished)
    return unfinished_or_failed(resource)


def unfinished_or_failed(resource: Mapping[str, Any]) -> Waiting | Running | Failed:
    """Tell the same of an executor's pod of which is known that it has not done what it was asked to."""
    finished = finished_at(resource)
    if finished:
        return _in_short(_failed(resource, _ended(resource), finished), _secrets(resource))
    if "running" in _state(resource):
        return Running()
    gates = (resource.get("spec") or {}).get("schedulingGates")
    if gates:
        return Waiting(StateReason.QUEUED, gates=tuple(gate["name"] for gate in gates))
    waiting = _waiting(resource)
    return replace(waiting, problem=_brief(waiting.problem))


def ended_well(resource: Mapping[str, Any]) -> bool:
    """Whether the executor of a pod ended and says that nothing failed."""
    return _ended(resource).get("exitCode") == SUCCESS


def termination_message(resource: Mapping[str, Any]) -> str:
    """Give what the executor of a pod left when it ended."""
    message = _ended(resource).get("message")
    return message if isinstance(message, str) else ""


def finished_at(resource: Mapping[str, Any]) -> datetime | None:
    """Tell when the executor of a pod ended, if it has."""
    ended = _ended(resource)
    if not ended and not is_over(resource):
        return None
    return parse_time(ended.get("finishedAt") or _last_change(resource))


def _in_short(found: Failed, secrets: Mapping[str, str]) -> Failed:
    failure = found.failure
    reason = failure.reason if _REASON.fullmatch(failure.reason) else StateReason.EXECUTOR_FAILED
    message = _LOGIN.sub(lambda it: secrets.get(it[0], it[0]), failure.message)
    message, tail = _brief(message), _brief(failure.log_tail, from_end=True)
    return replace(found, failure=replace(failure, reason=reason, message=message, log_tail=tail))


def why_deleted(resource: Mapping[str, Any]) -> Failure | None:
    """Tell why a pod was told to go, if it was: it is seldom seen once it has ended, and may never end."""
    if "deletionTimestamp" not in resource["metadata"]:
        return None
    status = _status(resource)
    reason, message = _taken(status) or (Reason.CANCELLED, _DELETED)
    return Failure(reason, _brief(message))


def is_unmounted(resource: Mapping[str, Any]) -> bool:
    """Whether the node could not mount the executor's own files from its image."""
    return runtime.is_unmounted(resource, _executor(resource).get("state") or {})


def is_unstartable(resource: Mapping[str, Any]) -> bool:
    """Whether the node that has a pod cannot start the executor's container: for its image, most likely."""
    state = _state(resource)
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    return waiting.get("reason") in _NOT_CREATED or ended.get("reason") in _NOT_STARTED


def is_over(resource: Mapping[str, Any]) -> bool:
    """Whether no container of a pod runs any more."""
    return _status(resource).get("phase") in ("Succeeded", "Failed")


def began(resource: Mapping[str, Any]) -> datetime | None:
    """Tell when the executor has started, if it has."""
    state = _state(resource)
    at = (state.get("running") or state.get("terminated") or {}).get("startedAt")
    return parse_time(at) if at else None


def prepared(resource: Mapping[str, Any]) -> datetime | None:
    """Tell when the containers before the executor's were done, and its image was what was left to get."""
    conditions = _status(resource).get("conditions") or []
    done = (it for it in conditions if it.get("type") == "Initialized" and it.get("status") == "True")
    at = next((it.get("lastTransitionTime") for it in done), None)
    return parse_time(at) if at else None


def parse_time(text: str) -> datetime:
    """Read a time of the Kubernetes API."""
    return datetime.fromisoformat(text)


def _failed(resource: Mapping[str, Any], ended: Mapping[str, Any], finished: datetime) -> Failed:
    result, log = _result(termination_message(resource))
    failure, retry = (
        _by_memory(resource, ended)
        or _by_mounts(resource, ended)
        or _by_result(result, ended)
        or _by_pod(resource, ended)
        or _by_exit_code(ended, log)
    )
    code = _exit_code(ended)
    return Failed(failure, retry, finished, code if 0 <= code <= _LARGEST_CODE else None, result)


def _is_success(result: BuildResult) -> bool:
    return result.succeeded and _DIGEST.fullmatch(result.digest) is not None


_Verdict = tuple[Failure, Retry]


def _because(reason: StateReason | Reason, message: str) -> _Verdict:
    return Failure(reason, message), reason.retry


def _by_memory(resource: Mapping[str, Any], ended: Mapping[str, Any]) -> _Verdict | None:
    # With very little memory the kernel kills what is to start the container, which the runtime then tells.
    starved = ended.get("reason") == "StartError" and "oom-killed" in (ended.get("message") or "").lower()
    if ended.get("reason") != "OOMKilled" and not starved:
        return None
    limit = _limits(resource).get("memory")
    if limit is None:
        text = "more memory than the node has: set spec.executor.resources.requests.memory"
    else:
        text = f"more memory than its limit of {limit}: raise spec.executor.resources.limits.memory"
    result, _ = _result(termination_message(resource))
    said = result.failure if result else None
    if said is None or _exit_code(ended) == _KILLED:
        return _because(StateReason.OUT_OF_MEMORY, f"the build needed {text}")
    # The executor outlived it and says what failed: that is for want of memory where it was a step.
    if said.reason != Reason.RUN_FAILED:
        return None
    what, *lines = shown(said.message).split("\n")
    message = "\n".join([f"{what}; a process of the step was killed, since the build needed {text}", *lines])
    failure = replace(said, reason=StateReason.OUT_OF_MEMORY, message=message, log_tail=shown(said.log_tail))
    return failure, StateReason.OUT_OF_MEMORY.retry


def _by_mounts(resource: Mapping[str, Any], ended: Mapping[str, Any]) -> _Verdict | None:
    if not is_unmounted(resource):
        return None
    message = f"{runtime.ADVICE}. It said: {shown(ended.get('message') or '')}"
    return _because(StateReason.EXECUTOR_FAILED, message)


def _by_result(result: BuildResult | None, ended: Mapping[str, Any]) -> _Verdict | None:
    """Take the executor's word for why it failed, unless it was made to stop: then others know why."""
    code = _exit_code(ended)
    if result is None or result.failure is None or code == Reason.CANCELLED.exit_code:
        return None
    said = result.failure
    reason = said.reason if said.reason in set(Reason) else StateReason.EXECUTOR_FAILED
    return replace(
        said, reason=reason, message=shown(said.message), log_tail=shown(said.log_tail)
    ), retry_after(code)


def _by_pod(resource: Mapping[str, Any], ended: Mapping[str, Any]) -> _Verdict | None:
    """Tell what the cluster or its users did to the pod, if that is why it ended."""
    status = _status(resource)
    reason, message = status.get("reason") or "", status.get("message") or ""
    if reason == "DeadlineExceeded":
        return _too_long(resource, ended), Retry.NEVER
    taken = _taken(status)
    prepared = _by_preparation(resource)
    if prepared and taken is None:
        return prepared
    if taken is not None:
        return _because(*taken)
    if not ended:
        lost = StateReason.EVICTED if reason else StateReason.NODE_LOST
        return _because(lost, _sentence(reason or _STOPPED, message))
    if reason == "Evicted":
        return _because(StateReason.DISK_LIMIT_EXCEEDED, message)
    stopped = _exit_code(ended) in (Reason.CANCELLED.exit_code, _KILLED)
    if stopped and "deletionTimestamp" in resource["metadata"]:
        return _because(Reason.CANCELLED, _DELETED)
    return None


def _by_preparation(resource: Mapping[str, Any]) -> _Verdict | None:
    """Tell of a container before the executor's that failed, so that this one never started."""
    for container in _status(resource).get("initContainerStatuses") or []:
        ended = (container.get("state") or {}).get("terminated") or {}
        if ended and _exit_code(ended) != SUCCESS:
            said = shown(ended.get("message") or "").strip() or "it said nothing"
            message = f"container {container['name']} ended with exit code {_exit_code(ended)}: {said}"
            return _by_memory(resource, ended) or _because(StateReason.EXECUTOR_FAILED, message)
    return None


def _too_long(resource: Mapping[str, Any], ended: Mapping[str, Any]) -> Failure:
    """Tell of an attempt that has taken too long: by what kept it from starting, if that is known."""
    limit = (resource.get("spec") or {}).get("activeDeadlineSeconds")
    if ended:
        return Failure(StateReason.TIMEOUT, f"the build took longer than its timeout of {limit} s")
    kept = _waiting(resource)
    message = f"the executor did not start within the timeout of {limit} s"
    message += f": {kept.problem or 'no reason is known'}"
    return Failure(kept.reason if kept.problem else StateReason.TIMEOUT, message)


def _taken(status: Mapping[str, Any]) -> tuple[StateReason, str] | None:
    """Tell why the cluster took the pod away, if not for reasons of its own: preemption, drain, a lost node.

    A pod evicted for exceeding a limit of its own does not have such a condition.
    """
    conditions = status.get("conditions") or []
    target = (c for c in conditions if c.get("type") in _OF_THE_CLUSTER and c.get("status") == "True")
    disruption = next(target, None)
    if disruption is None:
        return None
    kind = disruption.get("reason") or ""
    message = status.get("message") or disruption.get("message") or ""
    reason = StateReason.NODE_LOST if kind in _OF_LOST_NODES else StateReason.EVICTED
    return reason, _sentence(status.get("reason") or kind or _STOPPED, message)


def _by_exit_code(ended: Mapping[str, Any], log: str) -> _Verdict:
    """Tell what can be known of an executor that left no word of why it failed."""
    code = _exit_code(ended)
    if code == SUCCESS:
        message = "the executor ended with exit code 0, but without a result that names the image's digest"
    elif code == Reason.CANCELLED.exit_code:
        message = "the executor was stopped from inside its pod, such as by a step that runs kill"
    else:
        message = f"the executor ended with exit code {code} and without a result"
    if ended.get("reason") not in (None, "Error", "Completed"):
        message = _sentence(ended["reason"], log or message)
    retry = Retry.NEVER if code == Reason.CANCELLED.exit_code else retry_after(code)
    return Failure(StateReason.EXECUTOR_FAILED, message, log_tail=log), retry


def _exit_code(ended: Mapping[str, Any]) -> int:
    code = ended.get("exitCode")
    return code if isinstance(code, int) else -1


def _result(message: str) -> tuple[BuildResult | None, str]:
    """Split a termination message into the result that it is, or the log's end that stands in for one."""
    try:
        return parse_result(message), ""
    except ResultError:
        return None, shown(message)


def shown(text: str) -> str:
    """Make text fit to be shown and stored: what is no character, or moves the cursor, is replaced."""
    return "".join(c if c in "\n\t" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _brief(text: str, *, from_end: bool = False) -> str:
    kept = text[-_LONGEST:] if from_end else text[:_LONGEST]
    return shown(kept if len(kept) == len(text) else f"…{kept[1:]}" if from_end else f"{kept[:-1]}…")


def _waiting(resource: Mapping[str, Any]) -> Waiting:
    """Tell what keeps the executor from starting, if it is not ordinary: it may be another container."""
    status = _status(resource)
    others = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    for container in [_executor(resource), *others]:
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason") or ""
        if reason and reason not in _ORDINARY_WAITING:
            message = waiting.get("message") or ""
            problem = _sentence(reason, message)
            if container.get("name") != CONTAINER:
                problem = f"container {container['name']}: {problem}"
            elif is_unmounted(resource):
                problem = f"{runtime.ADVICE}. It said: {problem}"
            return Waiting(_trouble(reason, message), problem)
    for condition in status.get("conditions") or []:
        # Of a gate that is gone this stays until the scheduler has looked at the pod.
        if condition.get("reason") == "SchedulingGated":
            continue
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            problem = _sentence(condition.get("reason") or "", condition.get("message") or "")
            return Waiting(StateReason.UNSCHEDULABLE, problem)
    return Waiting(StateReason.PULLING if status.get("startTime") else StateReason.SCHEDULING)


def _trouble(reason: str, message: str) -> StateReason:
    """Tell which kind of trouble it is for which the kubelet has a container wait."""
    if reason in _NO_IMAGE:
        return StateReason.IMAGE_PULL_FAILED
    found = (missing for pattern, missing in _MISSING if pattern.search(message))
    return next(found, StateReason.POD_PENDING)


def _status(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    status: Mapping[str, Any] = resource.get("status") or {}
    return status


def _state(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    state: Mapping[str, Any] = _executor(resource).get("state") or {}
    return state


def _ended(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    ended: Mapping[str, Any] = _state(resource).get("terminated") or {}
    return ended


def _executor(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    return _named_executor(_status(resource).get("containerStatuses"))


def _secrets(resource: Mapping[str, Any]) -> Mapping[str, str]:
    """Name the Secrets that the executor has its logins from, by the variables, which people have not set."""
    executor = _named_executor((resource.get("spec") or {}).get("containers"))
    sources = (
        (it["name"], (it.get("valueFrom") or {}).get("secretKeyRef")) for it in executor.get("env") or []
    )
    return {variable: f"Secret {source.get('name')}" for variable, source in sources if source}


def _limits(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    executor = _named_executor((resource.get("spec") or {}).get("containers"))
    limits: Mapping[str, Any] = (executor.get("resources") or {}).get("limits") or {}
    return limits


def _named_executor(containers: Any) -> Mapping[str, Any]:
    return next((c for c in containers or [] if c.get("name") == CONTAINER), {})


def _last_change(resource: Mapping[str, Any]) -> str:
    conditions = _status(resource).get("conditions") or []
    times: list[str] = [c.get("lastTransitionTime") or "" for c in conditions]
    return max(times, default="") or str(resource["metadata"]["creationTimestamp"])


def _sentence(reason: str, message: str) -> str:
    return f"{reason}: {message}" if message else reason
