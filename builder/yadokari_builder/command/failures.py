"""What is told of a verb's end: whatever went wrong, as an error for people, and its result."""

import logging
import os
from collections.abc import Callable

from yadokari_builder.errors import BuilderError, UsageError, described
from yadokari_contract.arguments import ArgumentError
from yadokari_contract.reasons import SUCCESS
from yadokari_contract.results.build import Failure

logger = logging.getLogger(__name__)


def as_problem(error: Exception) -> BuilderError:
    """Return what to tell of an error; where it was raised is for those who look for mistakes."""
    match error:
        case BuilderError():
            return error
        case ArgumentError():
            return UsageError(str(error))
        case OSError():
            problem = BuilderError(described(error))
        case _:
            problem = BuilderError(f"this is a mistake in Yadokari, please report it: {error!r}")
    logger.debug("where it happened:", exc_info=error)
    return problem


def as_failure(error: Exception) -> Failure:
    """Return what to tell of an error in a result."""
    problem = as_problem(error)
    return Failure(problem.reason, str(problem))


def exit_code(action: Callable[[], None]) -> int:
    """Do something and return the exit code; what goes wrong is logged."""
    try:
        action()
    except Exception as error:
        problem = as_problem(error)
        logger.error("%s", problem)
        return problem.reason.exit_code
    return SUCCESS


def write_result(path: str, text: str) -> None:
    """Write a result to where it is asked for ("": nowhere), in place: a termination message is a mount."""
    if not path:
        return
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        logger.error("the result cannot be written to %s: %s", path, os.strerror(error.errno or 0))
