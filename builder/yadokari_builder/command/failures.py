"""Whatever goes wrong with a verb, as an error that a person is told."""

import logging
from collections.abc import Callable

from yadokari_builder.errors import BuilderError, UsageError, described
from yadokari_contract.arguments import ArgumentError
from yadokari_contract.reasons import SUCCESS

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


def exit_code(action: Callable[[], None]) -> int:
    """Do something and return the exit code; what goes wrong is logged."""
    try:
        action()
    except Exception as error:
        problem = as_problem(error)
        logger.error("%s", problem)
        return problem.reason.exit_code
    return SUCCESS
