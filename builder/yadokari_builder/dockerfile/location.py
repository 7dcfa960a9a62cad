"""Where things stand in a Dockerfile, and errors that point there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from yadokari_builder.dockerfile.quoting import printable
from yadokari_builder.errors import DockerfileError

_MOST_SHOWN = 1_000
"""How many characters of a Dockerfile an error shows in one place."""


@dataclass(frozen=True, slots=True)
class Location:
    """The lines of a file that something stands on: 1-based, `end` included; 0 is the file as a whole."""

    file: str = "Dockerfile"
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """How an instruction was written.

    `text` is its source without heredoc bodies, continuation lines joined; `keyword` its first word in the
    case it was written in; `comments` are the comment lines right above it; `lines` are the file's lines that
    it stands on, none for a trigger of a base image.
    """

    location: Location = Location()
    text: str = ""
    keyword: str = ""
    comments: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


class LanguageError(ValueError):
    """Something is wrong with a piece of text; who knows where it stands makes a DockerfileError of it.

    `culprit` is the piece of the source that a caret should point at, empty where none is known.
    """

    def __init__(self, message: str, culprit: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.culprit = culprit


def error_at(error: LanguageError, location: Location, text: str) -> DockerfileError:
    """Return the error for something wrong with the source `text` at `location`.

    What the Dockerfile holds is hostile to terminals perhaps: it is shown printable, and not at any length.
    """
    column = text.find(error.culprit, 0, _MOST_SHOWN) if error.culprit else -1
    return DockerfileError(
        _shown(error.message),
        file=location.file,
        line=location.start,
        excerpt=_shown(text),
        column=None if column < 0 else len(printable(text[:column])),
    )


def _shown(text: str) -> str:
    return printable(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…")


@contextmanager
def blaming(location: Location, text: str) -> Iterator[None]:
    """Turn a LanguageError within into a DockerfileError at `location`."""
    try:
        yield
    except LanguageError as error:
        raise error_at(error, location, text) from None
