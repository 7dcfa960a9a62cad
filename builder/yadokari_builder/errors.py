"""Errors of the executor, split by who must act on them.

Every error's text is meant for the person who applied the build: it says what is wrong, where, and where
possible what to do.
"""

from typing import ClassVar

from yadokari_contract.exitcodes import ExitCode


class BuilderError(Exception):
    """A build cannot go on; the base of all errors that a user is shown.

    Where a line of the Dockerfile is to blame, `file` and `line` (1-based; 0: none) name it, `source` is its
    text and `column` the 0-based place of the caret below it, if one is known.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL
    reason: ClassVar[str] = "InternalError"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.file = ""
        self.line = 0
        self.source = ""
        self.column: int | None = None

    def locate(self, file: str, line: int, source: str) -> None:
        """Blame a line of the Dockerfile, unless one is to blame already."""
        if not self.line:
            self.file, self.line, self.source = file, line, source

    def __str__(self) -> str:
        if not self.line:
            return f"{self.file}: {self.message}" if self.file else self.message
        text = f"{self.file}:{self.line}: {self.message}"
        if self.source:
            margin = f"  {self.line} | "
            text += f"\n{margin}{self.source}"
            if self.column is not None:
                text += "\n" + " " * (len(margin) + self.column) + "^"
        return text


def described(error: OSError) -> str:
    """Say what the system refused, and for which file."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


class UsageError(BuilderError):
    """The arguments ask for something that does not exist or does not fit together."""

    exit_code = ExitCode.USAGE
    reason = "InvalidArguments"


class ContextError(BuilderError):
    """The build context or the Dockerfile cannot be read, or a file that a step needs is not there."""

    exit_code = ExitCode.CONTEXT
    reason = "ContextInvalid"


class DockerfileError(BuilderError):
    """The Dockerfile is wrong, at a line of it or (line 0) as a whole."""

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
        self.file = file
        self.line = line
        self.source = source
        self.column = column


class RunError(BuilderError):
    """A RUN step failed: its process ended with `status` (negative: by that signal)."""

    exit_code = ExitCode.RUN_FAILED
    reason = "RunFailed"

    def __init__(self, message: str, *, status: int, log_tail: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.log_tail = log_tail


class ImageInvalidError(BuilderError):
    """An image breaks the image specification, its digests or the bounds of the root."""

    exit_code = ExitCode.IMAGE_INVALID
    reason = "ImageInvalid"


class RegistryError(BuilderError):
    """A registry refused or failed a request.

    `status` is the HTTP status (0: no answer at all); `codes` are those of the distribution specification
    ("Error Codes"), such as `MANIFEST_UNKNOWN`; `temporary` tells whether trying again may help.
    """

    exit_code = ExitCode.NETWORK
    reason = "RegistryError"

    def __init__(
        self, message: str, *, status: int = 0, codes: tuple[str, ...] = (), temporary: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.codes = codes
        self.temporary = temporary


class ImageNotFoundError(RegistryError):
    """A registry does not know an image, or has none for the platform that is wanted."""

    exit_code = ExitCode.IMAGE_NOT_FOUND
    reason = "ImageNotFound"


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
