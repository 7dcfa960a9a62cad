"""Environments: what variables are at each moment of a stage, kept without copying them each time."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Environment:
    """The variables of one moment; their values appear in no text of it."""

    _defaults: Mapping[str, str]
    _settings: list[tuple[str, str]]
    _count: int

    def variables(self) -> dict[str, str]:
        """Return all variables by name."""
        return {**self._defaults, **self.own()}

    def own(self) -> dict[str, str]:
        """Return those that are no defaults."""
        return dict(islice(self._settings, self._count))


class GrowingEnvironment:
    """The variables of a stage under way; `now` holds them by name."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.now = dict(variables)
        # Only ever appended to, so that the first so many are what they were.
        self._settings = list(variables.items())

    def set(self, name: str, value: str) -> None:
        """Give a variable a value."""
        self.now[name] = value
        self._settings.append((name, value))

    def moment(self, defaults: Mapping[str, str]) -> Environment:
        """Return the variables as they are; `defaults` are those of names that are not among them."""
        return Environment(defaults, self._settings, len(self._settings))
