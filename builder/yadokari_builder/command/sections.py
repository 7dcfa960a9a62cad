"""Steps as sections of a CI service's log, which people fold and unfold.

GitHub's runner takes lines of any program for commands (`::group::`, `::add-mask::`, and `##[...]` within a
line): they are stopped but for our own, so that what a step prints or a Dockerfile says commands nothing.
GitLab's marks are escape sequences with a carriage return, of which no stranger's come this far.
"""

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TextIO


class Marks(Protocol):
    """What is written around a section, whole lines or the start of one; `first` and `last` are the log's."""

    def first(self) -> str:
        """Begin the log."""

    def begin(self, number: int, title: str) -> str:
        """Begin a section, its title with it."""

    def end(self, number: int) -> str:
        """End a section."""

    def last(self) -> str:
        """End the log."""


def marks_for(environment: Mapping[str, str]) -> Marks | None:
    """Tell how the CI service marks sections that the executor runs in, None where there is none."""
    if environment.get("GITHUB_ACTIONS") == "true":
        return GitHub()
    return GitLab() if environment.get("GITLAB_CI") == "true" else None


@dataclass(slots=True)
class GitHub:
    """Workflow commands; the token that lets them be taken again is one that nobody guesses."""

    make_token: Callable[[], str] = field(default=lambda: secrets.token_hex(16))
    _token: str = ""

    def first(self) -> str:
        """Begin the log."""
        self._token = self.make_token()
        return f"::stop-commands::{self._token}\n"

    def begin(self, number: int, title: str) -> str:  # noqa: ARG002 sections have no names here
        """Begin a section, its title with it."""
        return self._commanded(f"::group::{title.replace('%', '%25')}")

    def end(self, number: int) -> str:  # noqa: ARG002
        """End a section."""
        return self._commanded("::endgroup::")

    def last(self) -> str:
        """End the log."""
        return f"::{self._token}::\n"

    def _commanded(self, command: str) -> str:
        return f"{self.last()}{command}\n{self.first()}"


@dataclass(frozen=True, slots=True)
class GitLab:
    """Marks with the time in whole seconds; each section has a name."""

    clock: Callable[[], float] = time.time

    def first(self) -> str:
        """Begin the log."""
        return ""

    def begin(self, number: int, title: str) -> str:
        """Begin a section, its title with it."""
        return f"{self._mark('start', number)}{title}\n"

    def end(self, number: int) -> str:
        """End a section."""
        return f"{self._mark('end', number)}\n"

    def last(self) -> str:
        """End the log."""
        return ""

    def _mark(self, kind: str, number: int) -> str:
        return f"\x1b[0Ksection_{kind}:{int(self.clock())}:yadokari_step_{number}\r\x1b[0K"


class SectionHandler(logging.StreamHandler[TextIO]):
    """Writes records, those of a step in a section of its own; errors are in none, so that they are seen."""

    def __init__(self, stream: TextIO, marks: Marks) -> None:
        super().__init__(stream)
        self._marks = marks
        self._begun = False
        self._open = 0

    def format(self, record: logging.LogRecord) -> str:
        """Write a record with the marks that belong around it."""
        text = super().format(record)
        start = "" if self._begun else self._marks.first()
        self._begun = True
        number, kind = getattr(record, "step", 0), getattr(record, "kind", "")
        if kind == "step":
            start += self._end() + self._marks.begin(number, text.replace("\n", " ")).removesuffix("\n")
            self._open = number
            return start
        if record.levelno >= logging.ERROR:
            return f"{start}{self._end()}{text}"
        if kind == "done" and number == self._open:
            return f"{start}{text}\n{self._end()}".removesuffix("\n")
        return f"{start}{text}"

    def close(self) -> None:
        """End the log."""
        if self._begun:
            self._begun = False
            self.stream.write(self._end() + self._marks.last())
            self.flush()
        super().close()

    def _end(self) -> str:
        number, self._open = self._open, 0
        return self._marks.end(number) if number else ""
