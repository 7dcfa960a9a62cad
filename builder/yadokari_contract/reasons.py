"""Why a build can fail: one table for the executor's errors and for the operator."""

from enum import Enum, StrEnum


class Retry(Enum):
    """Whether a failed attempt is followed by another one."""

    NEVER = "no"
    COUNTED = "a few times"
    """The network or a registry failed."""
    UNCOUNTED = "as often as it happens"
    """The cluster took the pod away."""


class Actor(Enum):
    """Who can do something about it."""

    AUTHOR = "the Dockerfile's author"
    OWNER = "the owner of the build or of its credentials"
    NOBODY = "nobody: it passes"
    MAINTAINERS = "Yadokari's maintainers"


class Reason(StrEnum):
    """A kind of failure: its name for machines, the executor's exit code, what follows, who must act.

    Where no result was written the operator knows the exit code alone: what has the same code is retried in
    the same way.
    """

    exit_code: int
    retry: Retry
    actor: Actor

    INVALID_ARGUMENTS = "InvalidArguments", 2, Retry.NEVER, Actor.OWNER
    DOCKERFILE_INVALID = "DockerfileInvalid", 10, Retry.NEVER, Actor.AUTHOR
    RUN_FAILED = "StepFailed", 11, Retry.NEVER, Actor.AUTHOR
    IMAGE_NOT_FOUND = "BaseImageNotFound", 12, Retry.NEVER, Actor.AUTHOR
    UNAUTHORIZED = "RegistryUnauthorized", 13, Retry.NEVER, Actor.OWNER
    CONTEXT_INVALID = "ContextFailed", 14, Retry.NEVER, Actor.OWNER
    IMAGE_INVALID = "ImageInvalid", 15, Retry.NEVER, Actor.AUTHOR
    REGISTRY_ERROR = "RegistryError", 20, Retry.COUNTED, Actor.NOBODY
    DOWNLOAD_FAILED = "DownloadFailed", 20, Retry.COUNTED, Actor.NOBODY
    PUSH_FAILED = "PushFailed", 21, Retry.COUNTED, Actor.NOBODY
    INTERNAL_ERROR = "InternalError", 30, Retry.NEVER, Actor.MAINTAINERS
    CANCELLED = "Cancelled", 143, Retry.UNCOUNTED, Actor.NOBODY

    def __new__(cls, name: str, exit_code: int, retry: Retry, actor: Actor) -> "Reason":
        """Make a row of the table; its text is the name."""
        row = str.__new__(cls, name)
        row._value_ = name
        row.exit_code, row.retry, row.actor = exit_code, retry, actor
        return row


SUCCESS = 0
"""The executor's exit code where nothing failed."""


def retry_after(exit_code: int) -> Retry:
    """Tell what follows an executor that ended with this code: nothing where it is not one of its own."""
    return next((reason.retry for reason in Reason if reason.exit_code == exit_code), Retry.NEVER)
