"""Where things stand in a Dockerfile, and errors that point there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from yadokari_builder.dockerfile.quoting import printable
from yadokari_builder.errors import DockerfileError


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
    case it was written in; `comments` are the comment lines right above it.
    """

    location: Location = Location()
    text: str = ""
    keyword: str = ""
    comments: tuple[str, ...] = ()


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

    What the Dockerfile holds is hostile to terminals perhaps: it is shown printable.
    """
    column = text.find(error.culprit) if error.culprit else -1
    return DockerfileError(
        printable(error.message),
        file=location.file,
        line=location.start,
        source=printable(text),
        column=None if column < 0 else len(printable(text[:column])),
    )


@contextmanager
def blaming(location: Location, text: str) -> Iterator[None]:
    """Turn a LanguageError within into a DockerfileError at `location`."""
    try:
        yield
    except LanguageError as error:
        raise error_at(error, location, text) from None
