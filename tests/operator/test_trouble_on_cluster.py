"""Trouble with the API server while images are built: by a gate before a real one, or made by stopping it."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.api_gate import ApiGate, Asked, Trouble, running_api_gate
from support.control_plane import ControlPlane
from support.operator_process import OperatorProcess, wait_until
from support.town import Town, says

pytestmark = [pytest.mark.cluster, pytest.mark.api_server, pytest.mark.long]

BUILDS = 3
PATIENCE = 90
MOST = 60
"""Requests for a build, with all that is asked again; without trouble there are some 20."""


PAGE = "<html>please log in"


class Troubled:
    """A town whose operator reaches the API server by way of a gate."""

    def __init__(self, town: Town, gate: ApiGate, operator: OperatorProcess) -> None:
        self.town, self.gate, self.operator = town, gate, operator
        self.built = 0
        self._names = itertools.count()

    def build(self) -> dict[str, int]:
        """Have some images built, each once; gives what was asked for it, but for the Lease."""
        self.gate.passed.clear()
        prefix = f"t{next(self._names)}"
        self.built += BUILDS
        self.town.build(BUILDS, prefix)
        wait_until(self.town.has_built(self.built), seconds=PATIENCE)
        assert set(self.town.nodes.started.values()) == {1}
        assert "error of the operator itself" not in self.operator.log
        assert "Traceback" not in self.operator.log
        return {kind: number for kind, number in self.gate.passed.items() if "leases" not in kind}


@pytest.fixture(scope="module")
def troubled(
    control_plane: ControlPlane, found: Callable[[str], Town], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Troubled]:
    with ExitStack() as held:
        gate = held.enter_context(running_api_gate(control_plane.port, control_plane.trust))
        town = found("troubled")
        token = town.kubectl("create", "token", "yadokari").strip()
        config: Path = control_plane.configured(gate.host, tmp_path_factory.mktemp("gate") / "config", token)
        operator = town.operator("operator", config, YADOKARI_IDENTITY="it")
        wait_until(says(operator, "this operator works"))
        yield Troubled(town, gate, operator)
        # Before the gate closes.
        operator.stop()


def each(number: int, trouble: Trouble, *kinds: str) -> Callable[[Asked], Trouble | None]:
    """Make trouble at each so many requests, of some kinds."""
    counter = itertools.count()

    def make(asked: Asked) -> Trouble | None:
        is_meant = any(kind in asked.kind for kind in kinds) if kinds else "WATCH" not in asked.kind
        return trouble if is_meant and next(counter) % number == 0 else None

    return make


def pages_for_lists() -> Callable[[Asked], Trouble | None]:
    """Answer each second list by a page; so that lists are asked for, no watch lasts."""
    page, gone = each(2, Trouble(page=PAGE)), Trouble(ends=True, code=410)
    return lambda asked: gone if "WATCH" in asked.kind else page(asked) if "limit=" in asked.path else None


def test_a_build_asks_for_little_where_there_is_no_trouble(troubled: Troubled) -> None:
    asked = troubled.build()
    assert asked["POST pods"] == asked["POST configmaps"] == BUILDS
    assert asked["PUT imagebuilds/status"] <= 4 * BUILDS
    assert sum(asked.values()) < 30 * BUILDS, asked


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(each(3, Trouble(429, retry_after=1)), id="too many requests"),
        pytest.param(each(20, Trouble(500)), id="an error of the server"),
        pytest.param(each(2, Trouble(409), "PUT imagebuilds/status"), id="conflicts"),
        pytest.param(each(1, Trouble(403), "POST events"), id="no events"),
        pytest.param(each(1, Trouble(seconds=0.3)), id="a slow server"),
        pytest.param(each(1, Trouble(ends=True), "WATCH"), id="watches that end after each step"),
        pytest.param(each(1, Trouble(ends=True, code=410), "WATCH"), id="watches that are gone"),
        pytest.param(each(1, Trouble(ends=True, code=500), "WATCH"), id="watches that end with an error"),
        pytest.param(pages_for_lists(), id="pages of a proxy for lists"),
        pytest.param(each(2, Trouble(page=PAGE), "WATCH"), id="pages of a proxy for watches"),
    ],
)
def test_builds_come_to_their_end_with_few_requests(
    troubled: Troubled, trouble: Callable[[Asked], Trouble | None]
) -> None:
    troubled.gate.troubled = 0
    troubled.gate.trouble = trouble
    try:
        asked = troubled.build()
        assert troubled.gate.troubled
        writes = sum(number for kind, number in asked.items() if kind.startswith(("PUT", "POST", "DELETE")))
        assert writes < 20 * BUILDS, asked
        # Where a watch has to begin anew, all builds are looked at.
        assert sum(asked.values()) < MOST * troubled.built, asked
    finally:
        troubled.gate.trouble = lambda _: None


def test_builds_go_on_after_the_api_server_was_away(troubled: Troubled, control_plane: ControlPlane) -> None:
    troubled.town.build(BUILDS, "away")
    wait_until(lambda: len(troubled.town.nodes.started) % BUILDS == 0)
    control_plane.stop()
    wait_until(says(troubled.operator, "nobody knows who does"))
    control_plane.start()
    wait_until(lambda: all(f"away-{n}" in troubled.town.nodes.ended for n in range(BUILDS)), seconds=PATIENCE)
    troubled.built += BUILDS
    troubled.build()
