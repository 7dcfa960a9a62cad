"""Reasons that the operator gives for the state of a build; those of the executor are the contract's.

One table, as that one: what follows by itself, and who has to act.
"""

from enum import StrEnum

from yadokari_contract.reasons import Actor, Retry


class StateReason(StrEnum):
    """Why a build is as it is, where the executor does not say it: a name, what follows, who must act."""

    retry: Retry
    actor: Actor

    PENDING = "Pending", Retry.NEVER, Actor.NOBODY
    BUILDING = "Building", Retry.NEVER, Actor.NOBODY
    SUCCEEDED = "Succeeded", Retry.NEVER, Actor.NOBODY
    DOCKERFILE_NOT_FOUND = "DockerfileNotFound", Retry.UNCOUNTED, Actor.OWNER
    CONTEXT_NOT_FOUND = "ContextNotFound", Retry.UNCOUNTED, Actor.OWNER
    POD_PENDING = "PodPending", Retry.UNCOUNTED, Actor.ADMINISTRATOR
    POD_REJECTED = "PodRejected", Retry.UNCOUNTED, Actor.ADMINISTRATOR
    POD_LOST = "PodLost", Retry.UNCOUNTED, Actor.NOBODY
    INVALID_SPEC = "InvalidSpec", Retry.NEVER, Actor.OWNER
    OUT_OF_MEMORY = "OOMKilled", Retry.NEVER, Actor.OWNER
    EVICTED = "Evicted", Retry.NEVER, Actor.OWNER
    TIMEOUT = "Timeout", Retry.NEVER, Actor.OWNER
    EXECUTOR_FAILED = "ExecutorFailed", Retry.NEVER, Actor.MAINTAINERS

    def __new__(cls, name: str, retry: Retry, actor: Actor) -> "StateReason":
        """Make a row of the table; its text is the name."""
        row = str.__new__(cls, name)
        row._value_ = name
        row.retry, row.actor = retry, actor
        return row
