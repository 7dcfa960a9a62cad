"""Errors of the executor, split by who must act on them.

Every error's text is meant for the person who applied the build: it says what is wrong, where, and where
possible what to do.
"""

from typing import ClassVar

from yadokari_contract.exitcodes import ExitCode


class BuilderError(Exception):
    """A build cannot go on; the base of all errors that a user is shown."""

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL
    reason: ClassVar[str] = "InternalError"


class UsageError(BuilderError):
    """The arguments ask for something that does not exist or does not fit together."""

    exit_code = ExitCode.USAGE
    reason = "InvalidArguments"


class ContextError(BuilderError):
    """The build context or the Dockerfile cannot be read, or a file that a step needs is not there."""

    exit_code = ExitCode.CONTEXT
    reason = "ContextInvalid"


class DockerfileError(BuilderError):
    """The Dockerfile is wrong at a line of it.

    `line` is 1-based (0: the file as a whole), `source` the text of that line, `column` the 0-based place of
    the caret below it where one is known.
    """

    exit_code = ExitCode.DOCKERFILE_INVALID
    reason = "DockerfileInvalid"

    def __init__(
        self,
        message: str,
        *,
        file: str = "Dockerfile",
        line: int = 0,
        source: str = "",
        column: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.line = line
        self.source = source
        self.column = column

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        text = f"{where}: {self.message}"
        if self.source:
            text += f"\n  {self.line} | {self.source}"
            if self.column is not None:
                text += "\n" + " " * (len(f"  {self.line} | ") + self.column) + "^"
        return text


class RunError(BuilderError):
    """A RUN step failed: its process ended with `status` (negative: by that signal)."""

    exit_code = ExitCode.RUN_FAILED
    reason = "RunFailed"

    def __init__(self, message: str, *, status: int, log_tail: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.log_tail = log_tail


class ImageNotFoundError(BuilderError):
    """A registry does not know an image, or has none for the platform that is wanted."""

    exit_code = ExitCode.IMAGE_NOT_FOUND
    reason = "ImageNotFound"


class ImageInvalidError(BuilderError):
    """An image breaks the image specification, its digests or the bounds of the root."""

    exit_code = ExitCode.IMAGE_INVALID
    reason = "ImageInvalid"


class UnsafePathError(ImageInvalidError):
    """An archive's entry would land outside the root, or where the executor's own files are."""


class RegistryError(BuilderError):
    """A registry refused or failed a request.

    `status` is the HTTP status (0: no answer at all); `temporary` tells whether trying again may help.
    """

    exit_code = ExitCode.NETWORK
    reason = "RegistryError"

    def __init__(self, message: str, *, status: int = 0, temporary: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.temporary = temporary


class UnauthorizedError(RegistryError):
    """A registry wants credentials, or other ones, for what was asked of it."""

    exit_code = ExitCode.UNAUTHORIZED
    reason = "Unauthorized"


class PushError(RegistryError):
    """The image was built and could not be pushed."""

    exit_code = ExitCode.PUSH
    reason = "PushFailed"


class CancelledError(BuilderError):
    """The build was asked to stop (SIGTERM)."""

    exit_code = ExitCode.CANCELLED
    reason = "Cancelled"
