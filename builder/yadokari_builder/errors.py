"""Errors of the executor, split by who must act on them.

Every error's text is meant for the person who applied the build: it says what is wrong, where, and where
possible what to do.
"""

import errno
import os
from collections.abc import Iterator
from typing import ClassVar

from yadokari_contract.reasons import Reason

_LINES_SHOWN = 20
_LONGEST_LINE = 200

_MOST_SHOWN = 200
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class BuilderError(Exception):
    """A build cannot go on; the base of all errors that a user is shown.

    Where a line of the Dockerfile is to blame, `file` and `line` (1-based; 0: none) name it, `excerpt` is its
    text, perhaps with the lines that follow it, and `column` the 0-based place of the caret below it, if one
    is known.
    """

    reason: ClassVar[Reason] = Reason.INTERNAL_ERROR

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.file = ""
        self.line = 0
        self.excerpt = ""
        self.column: int | None = None

    def locate(self, file: str, line: int, excerpt: str) -> None:
        """Blame a line of the Dockerfile, unless one is to blame already."""
        if not self.line:
            self.file, self.line, self.excerpt = file, line, excerpt

    def __str__(self) -> str:
        if not self.line:
            return f"{self.file}: {self.message}" if self.file else self.message
        return "\n".join([f"{self.file}:{self.line}: {self.message}", *self._shown_excerpt()])

    def _shown_excerpt(self) -> Iterator[str]:
        lines = self.excerpt.split("\n") if self.excerpt else []
        width = len(str(self.line + min(len(lines), _LINES_SHOWN) - 1))
        for number, line in enumerate(lines[:_LINES_SHOWN], self.line):
            is_cut = len(line) > _LONGEST_LINE and self.column is None
            yield f"  {number:{width}} | {line[:_LONGEST_LINE] + '…' if is_cut else line}".rstrip()
        if len(lines) > _LINES_SHOWN:
            yield f"  {'':{width}} | … {len(lines) - _LINES_SHOWN} more lines"
        if self.column is not None:
            yield " " * (width + len("   | ") + self.column) + "^"


def file_of(error: OSError) -> str:
    """Return which file the system refused, empty for one that was known by its descriptor alone."""
    return os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""


def described(error: OSError) -> str:
    """Say what the system refused, and for which file, which is not named at any length."""
    name = file_of(error)
    where = f"{name if len(name) <= _MOST_SHOWN else f'{name[:_MOST_SHOWN]}…'}: " if name else ""
    helps = ": give the pod more disk, or let steps leave less" if error.errno in _FULL else ""
    return f"{where}{error.strerror or error}{helps}"


class UsageError(BuilderError):
    """The arguments ask for something that does not exist or does not fit together."""

    reason = Reason.INVALID_ARGUMENTS


class ContextError(BuilderError):
    """The build context or the Dockerfile cannot be read, or a file that a step needs is not there."""

    reason = Reason.CONTEXT_INVALID


class DownloadError(BuilderError):
    """A file could not be fetched; trying again may help."""

    reason = Reason.DOWNLOAD_FAILED


class DockerfileError(BuilderError):
    """The Dockerfile is wrong, at a line of it or (line 0) as a whole."""

    reason = Reason.DOCKERFILE_INVALID

    def __init__(
        self,
        message: str,
        *,
        file: str = "Dockerfile",
        line: int = 0,
        excerpt: str = "",
        column: int | None = None,
    ) -> None:
        super().__init__(message)
        self.file = file
        self.line = line
        self.excerpt = excerpt
        self.column = column


class RunError(BuilderError):
    """A RUN step failed: its process ended with `status` (negative: by that signal)."""

    reason = Reason.RUN_FAILED

    def __init__(self, message: str, *, status: int, log_tail: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.log_tail = log_tail


class ImageInvalidError(BuilderError):
    """An image breaks the image specification, its digests or the bounds of the root."""

    reason = Reason.IMAGE_INVALID


class RegistryError(BuilderError):
    """A registry refused or failed a request.

    `status` is the HTTP status (0: no answer at all); `codes` are those of the distribution specification
    ("Error Codes"), such as `MANIFEST_UNKNOWN`; `temporary` tells whether trying again may help.
    """

    reason = Reason.REGISTRY_ERROR

    def __init__(
        self, message: str, *, status: int = 0, codes: tuple[str, ...] = (), temporary: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.codes = codes
        self.temporary = temporary


class ImageNotFoundError(RegistryError):
    """A registry does not know an image, or has none for the platform that is wanted."""

    reason = Reason.IMAGE_NOT_FOUND


class UnauthorizedError(RegistryError):
    """A registry wants credentials, or other ones, for what was asked of it."""

    reason = Reason.UNAUTHORIZED


class PushError(RegistryError):
    """The image was built and could not be pushed."""

    reason = Reason.PUSH_FAILED


class CancelledError(BuilderError):
    """The build was asked to stop (SIGTERM)."""

    reason = Reason.CANCELLED
