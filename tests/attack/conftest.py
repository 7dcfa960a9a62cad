"""Attacks are tried at both levels of isolation."""

import pytest


@pytest.fixture(params=["baseline", "namespaces"])
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of pod (see support.pod.kinds): one where steps share the container, one where they do not."""
    name: str = request.param
    return name


@pytest.fixture(params=["shared", "namespaces"])
def isolation(request: pytest.FixtureRequest) -> str:
    """The level itself, for builds that take no pod."""
    level: str = request.param
    return level
