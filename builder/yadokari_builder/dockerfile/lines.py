"""Lines: from the lines of a file to instructions, with continuations joined and heredocs cut out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from yadokari_builder.dockerfile.directives import DEFAULT_ESCAPE, DirectiveReader, escape_of
from yadokari_builder.dockerfile.location import LanguageError, Location, error_at
from yadokari_builder.dockerfile.whitespace import SPACE

MAX_LINE = 65535
"""The longest line, in bytes (Go: bufio.MaxScanTokenSize - 1)."""


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """An instruction's text with its continuation lines.

    `lines` are those of the file; `comments` are the comment lines above it; `has_blank` tells of a blank
    line within.
    """

    text: str
    location: Location
    lines: tuple[str, ...]
    comments: tuple[str, ...]
    has_blank: bool


class LineReader:
    """Reads a Dockerfile's logical lines, and heredocs between two of them.

    Every method may raise DockerfileError.
    """

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.escape = DEFAULT_ESCAPE
        self.number = 0
        """How many lines of the file have been read."""
        self.directives = DirectiveReader()
        self._lines = text.removeprefix("\ufeff").split("\n")
        self._rest = text.count("\n") + (not text.endswith("\n") and bool(text))
        self._set_escape(DEFAULT_ESCAPE)

    def logical_lines(self) -> Iterator[LogicalLine]:
        """Yield the instructions one by one."""
        comments: list[str] = []
        while (line := self._next()) is not None:
            stripped = line.lstrip(SPACE)
            if stripped.startswith("#"):
                self._comment(line, stripped, comments)
                continue
            self._read_directive(stripped)
            if logical := self._join(stripped, tuple(comments)):
                yield logical
                comments = []

    def heredoc(self, terminator: str, *, chomp: bool) -> str | None:
        """Return the lines up to `terminator` with their line ends, None if it does not come."""
        content: list[str] = []
        while self._rest:
            line = self._next()
            assert line is not None
            candidate = line.rstrip("\r")
            if (candidate.lstrip("\t") if chomp else candidate) == terminator:
                return "".join(content)
            content.append(line + "\n")
        return None

    def lines(self, location: Location) -> tuple[str, ...]:
        """Return the lines of the file as they are."""
        return tuple(self._lines[location.start - 1 : location.end])

    def _next(self) -> str | None:
        if not self._rest:
            return None
        self._rest -= 1
        self.number += 1
        line = self._lines[self.number - 1]
        if len(line) > MAX_LINE or len(line.encode(errors="surrogateescape")) > MAX_LINE:
            message = f"dockerfile line greater than max allowed size of {MAX_LINE}"
            raise error_at(LanguageError(message), self._location(self.number), line[:80])
        return line

    def _comment(self, line: str, stripped: str, comments: list[str]) -> None:
        if self._read_directive(stripped.rstrip("\r")):
            return
        comment = line[1:].strip(SPACE)
        if comment:
            comments.append(comment)
        else:
            comments.clear()

    def _read_directive(self, line: str) -> bool:
        try:
            directive = self.directives.read(line)
            if directive and directive.name == "escape":
                self._set_escape(escape_of(directive))
        except LanguageError as error:
            raise error_at(error, self._location(self.number), line) from None
        return directive is not None

    def _set_escape(self, escape: str) -> None:
        self.escape = escape
        # An escape character that is escaped itself continues nothing; alone on its line it does.
        token = re.escape(escape)
        self._continuation = re.compile(rf"(?:(?<!{token}){token})[ \t]*\Z")

    def _join(self, line: str, comments: tuple[str, ...]) -> LogicalLine | None:
        start = self.number
        text, goes_on = self._trim(line)
        if not text and not goes_on:
            return None
        parts = [text]
        has_blank = False
        while goes_on and (following := self._next()) is not None:
            stripped = following.lstrip(SPACE)
            if stripped.startswith("#"):
                continue
            if not stripped:
                has_blank = True
                continue
            text, goes_on = self._trim(following)
            parts.append(text)
        location = self._location(start)
        return LogicalLine("".join(parts), location, self.lines(location), comments, has_blank)

    def _trim(self, line: str) -> tuple[str, bool]:
        """Take line end and continuation character off; tell whether the next line belongs to it."""
        line = line.rstrip("\r")
        match = self._continuation.search(line)
        return (line[: match.start()], True) if match else (line, False)

    def _location(self, start: int) -> Location:
        return Location(self.file, start, self.number)
