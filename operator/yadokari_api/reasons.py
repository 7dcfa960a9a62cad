"""Reasons that the operator itself gives for the state of a build; those of the executor are the contract's.

One table: what happens next, and who has to act, is looked up here by whoever decides, reports or documents.
"""

from dataclasses import dataclass
from enum import Enum


class Retry(Enum):
    """Whether a failed attempt is followed by another one."""

    NEVER = "never"
    COUNTED = "counted"
    """The network or a registry failed: a few times."""
    UNCOUNTED = "uncounted"
    """The cluster took the pod away: as often as that happens."""


class Actor(Enum):
    """Who has to do something."""

    NOBODY = "nobody"
    USER = "who wrote the ImageBuild"
    ADMINISTRATOR = "who runs the cluster"
    DEVELOPER = "who maintains Yadokari"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a build is as it is: a CamelCase name, what follows by itself, and who has to act."""

    name: str
    retry: Retry
    actor: Actor

    def __str__(self) -> str:
        return self.name


PENDING = Reason("Pending", Retry.NEVER, Actor.NOBODY)
BUILDING = Reason("Building", Retry.NEVER, Actor.NOBODY)
SUCCEEDED = Reason("Succeeded", Retry.NEVER, Actor.NOBODY)
DOCKERFILE_NOT_FOUND = Reason("DockerfileNotFound", Retry.UNCOUNTED, Actor.USER)
CONTEXT_NOT_FOUND = Reason("ContextNotFound", Retry.UNCOUNTED, Actor.USER)
POD_PENDING = Reason("PodPending", Retry.UNCOUNTED, Actor.ADMINISTRATOR)
POD_REJECTED = Reason("PodRejected", Retry.UNCOUNTED, Actor.ADMINISTRATOR)
POD_LOST = Reason("PodLost", Retry.UNCOUNTED, Actor.NOBODY)
CANCELLED = Reason("Cancelled", Retry.UNCOUNTED, Actor.NOBODY)
INVALID_SPEC = Reason("InvalidSpec", Retry.NEVER, Actor.USER)
OUT_OF_MEMORY = Reason("OOMKilled", Retry.NEVER, Actor.USER)
EVICTED = Reason("Evicted", Retry.NEVER, Actor.USER)
TIMEOUT = Reason("Timeout", Retry.NEVER, Actor.USER)
EXECUTOR_FAILED = Reason("ExecutorFailed", Retry.NEVER, Actor.DEVELOPER)
