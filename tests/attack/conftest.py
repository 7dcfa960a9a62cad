"""Attacks are tried at both levels of isolation and in a base's own container; a report tells which."""

from collections.abc import Callable

import pytest

_LEVELS = {"baseline": "shared"}
"""Of kinds of pods that are not named by it."""

Record = Callable[[str, object], None]


@pytest.fixture(params=["baseline", "namespaces", "lodging"])
def kind(request: pytest.FixtureRequest, record_property: Record) -> str:
    """The kind of pod (see support.pod.kinds): steps share it, do not, or it is the base's own."""
    name: str = request.param
    record_property("level", _LEVELS.get(name, name))
    return name


@pytest.fixture(params=["shared", "namespaces"])
def isolation(request: pytest.FixtureRequest, record_property: Record) -> str:
    """The level itself, for builds that take no pod."""
    level: str = request.param
    record_property("level", level)
    return level
