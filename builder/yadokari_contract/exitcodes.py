"""Exit codes of the executor."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Why the executor ended; the operator decides by it where no result was written."""

    OK = 0
    USAGE = 2
    DOCKERFILE_INVALID = 10
    RUN_FAILED = 11
    IMAGE_NOT_FOUND = 12
    UNAUTHORIZED = 13
    CONTEXT = 14
    IMAGE_INVALID = 15
    NETWORK = 20
    PUSH = 21
    INTERNAL = 30
    CANCELLED = 143

    @property
    def retryable(self) -> bool:
        """Whether the same build may succeed when it is tried again."""
        return self in (ExitCode.NETWORK, ExitCode.PUSH)
