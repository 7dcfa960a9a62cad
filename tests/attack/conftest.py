"""Attacks are tried at both levels of isolation and in a base's own container; a report tells which."""

from collections.abc import Callable

import pytest

_LEVELS = {"baseline": "shared"}
"""Of kinds of pods that are not named by it."""

Record = Callable[[str, object], None]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Leave out the pods whose runtime is on a read-only mount where an attack is to write it."""
    own = any(mark.args[0] == "kind" for mark in metafunc.definition.iter_markers("parametrize"))
    if "kind" in metafunc.fixturenames and not own:
        writable = metafunc.definition.get_closest_marker("writable")
        kinds = ["baseline", "namespaces"] if writable else ["baseline", "namespaces", "lodging"]
        metafunc.parametrize("kind", kinds, indirect=True)


@pytest.fixture
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
