"""Why a build is as it is: the reasons that the operator gives, and what to do about each.

One table beside that of the contract, which holds the executor's.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from yadokari_contract.reasons import Reason, Retry


class StateReason(StrEnum):
    """Why a build is as it is, where the executor does not say it: a name, what follows, what to do.

    `retry` is whether the attempt is followed by another one, or goes on by itself; `advice` is empty where
    there is nothing to do, or where the message says it.
    """

    retry: Retry
    advice: str

    QUEUED = "Queued", Retry.UNCOUNTED, ""
    SCHEDULING = "Scheduling", Retry.UNCOUNTED, ""
    PULLING = "Pulling", Retry.UNCOUNTED, ""
    BUILDING = "Building", Retry.UNCOUNTED, ""
    PUSHING = "Pushing", Retry.UNCOUNTED, ""
    SUCCEEDED = "Succeeded", Retry.NEVER, ""
    ALREADY_PUSHED = "AlreadyPushed", Retry.NEVER, ""
    UP_TO_DATE = "UpToDate", Retry.NEVER, ""
    CONFIG_MAP_NOT_FOUND = (
        "ConfigMapNotFound",
        Retry.UNCOUNTED,
        "create the ConfigMap or its key; the build begins by itself",
    )
    SECRET_NOT_FOUND = (
        "SecretNotFound",
        Retry.UNCOUNTED,
        "create the Secret or its key; the build goes on by itself",
    )
    SOURCE_NOT_FOUND = (
        "SourceNotFound",
        Retry.UNCOUNTED,
        "create the source of Flux, or do what the message says; the build begins by itself",
    )
    SOURCE_NOT_READY = (
        "SourceNotReady",
        Retry.UNCOUNTED,
        "mend the source of Flux as the message says; the build begins by itself",
    )
    UNSCHEDULABLE = (
        "Unschedulable",
        Retry.UNCOUNTED,
        "make room on the nodes, or lower executor.resources.requests or mend executor.nodeSelector",
    )
    IMAGE_PULL_FAILED = (
        "ImagePullFailed",
        Retry.UNCOUNTED,
        "mend executor.image or let nodes pull it; the build goes on by itself",
    )
    POD_PENDING = "PodPending", Retry.UNCOUNTED, "mend what the message names in the cluster"
    QUOTA_EXCEEDED = (
        "QuotaExceeded",
        Retry.UNCOUNTED,
        "wait, raise the ResourceQuota, or lower executor.resources",
    )
    ADMISSION_DENIED = (
        "AdmissionDenied",
        Retry.UNCOUNTED,
        "let the namespace's Pod Security or the policy that the message names admit the pod",
    )
    POD_REJECTED = "PodRejected", Retry.UNCOUNTED, "rename or delete what has the name that the pod needs"
    EVICTED = "Evicted", Retry.UNCOUNTED, ""
    NODE_LOST = "NodeLost", Retry.UNCOUNTED, ""
    SUSPENDED = "Suspended", Retry.UNCOUNTED, "set suspend to false"
    CHANGE_FORBIDDEN = (
        "ChangeForbidden",
        Retry.NEVER,
        "set the annotation yadokari.dev/rebuild-requested-at, or change the spec again",
    )
    DESTINATION_SHARED = (
        "DestinationShared",
        Retry.UNCOUNTED,
        "give each ImageBuild a tag or a repository of its own",
    )
    POLICY_VIOLATION = (
        "PolicyViolation",
        Retry.NEVER,
        "change the field that the message names, or have the policy changed, which is noticed by itself",
    )
    INVALID_SPEC = "InvalidSpec", Retry.NEVER, "change the spec"
    OUT_OF_MEMORY = "OOMKilled", Retry.NEVER, "raise executor.resources.limits.memory"
    DISK_LIMIT_EXCEEDED = (
        "DiskLimitExceeded",
        Retry.NEVER,
        "raise executor.resources.limits.ephemeral-storage",
    )
    TIMEOUT = "Timeout", Retry.NEVER, "raise timeout, or pendingTimeout where the executor had not started"
    EXECUTOR_FAILED = "ExecutorFailed", Retry.NEVER, "read the pod's log, and report it"

    def __new__(cls, name: str, retry: Retry, advice: str) -> "StateReason":
        """Make a row of the table; its text is the name."""
        row = str.__new__(cls, name)
        row._value_ = name
        row.retry, row.advice = retry, advice
        return row


# Told while further attempts follow, and after the last one.
_PASSES = (
    "see that the name is right and the cluster can reach it; after the last attempt set the annotation"
    " yadokari.dev/rebuild-requested-at"
)
_OF_THE_EXECUTOR: Mapping[str, str] = MappingProxyType(
    {
        Reason.INVALID_ARGUMENTS: "change the field that the message names",
        Reason.DOCKERFILE_INVALID: "change the Dockerfile at the line that the message names",
        Reason.RUN_FAILED: "change the Dockerfile: failure.logTail has the end of the step's output",
        Reason.IMAGE_NOT_FOUND: "change FROM or COPY --from, or push that image",
        Reason.UNAUTHORIZED: "mend the Secret, then set the annotation yadokari.dev/rebuild-requested-at",
        Reason.CONTEXT_INVALID: "change context, or mend what it names",
        Reason.REGISTRY_ERROR: _PASSES,
        Reason.DOWNLOAD_FAILED: _PASSES,
        Reason.PUSH_FAILED: _PASSES,
        Reason.IMAGE_INVALID: "change what the message names: no registry would take such an image",
        Reason.INTERNAL_ERROR: "read the pod's log, and report it",
    }
)


def advice(reason: str) -> str:
    """Tell what to do about a reason, the operator's or the executor's; empty where there is nothing."""
    of_the_state = (row.advice for row in StateReason if row == reason)
    return next(of_the_state, _OF_THE_EXECUTOR.get(reason, ""))
