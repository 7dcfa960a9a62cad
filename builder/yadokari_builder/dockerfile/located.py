"""Errors of a step, with the lines of the Dockerfile that are to blame."""

from collections.abc import Iterator
from contextlib import contextmanager

from yadokari_builder.dockerfile.location import Origin
from yadokari_builder.dockerfile.quoting import printable
from yadokari_builder.errors import BuilderError, described


@contextmanager
def located(origin: Origin) -> Iterator[None]:
    """Blame an instruction for errors within that blame none yet.

    An `OSError` becomes a `BuilderError`: what the system refuses has to do with what the step wanted.
    """
    try:
        yield
    except OSError as error:
        problem = BuilderError(described(error))
        _locate(problem, origin)
        raise problem from error
    except BuilderError as error:
        _locate(error, origin)
        raise


def _locate(error: BuilderError, origin: Origin) -> None:
    # Names are an image's or a context's, and hostile to terminals perhaps.
    error.message = printable(error.message)
    lines = (printable(line.rstrip("\r")) for line in origin.lines or (origin.text,))
    error.locate(origin.location.file, origin.location.start, "\n".join(lines))
