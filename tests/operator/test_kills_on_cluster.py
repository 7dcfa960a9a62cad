"""The operator is killed at random moments while it builds.

KILL_TRIALS=100 has 100 ImageBuilds built, with a kill every other second until all have ended.
"""

import os
import random
import time
from collections.abc import Callable

import pytest

from support.operator_process import wait_until
from support.town import Town

pytestmark = [pytest.mark.cluster, pytest.mark.api_server, pytest.mark.long]

BUILDS = int(os.environ.get("KILL_TRIALS", "20"))
KILLS = 5 if BUILDS < 100 else 1000
PATIENCE = 120 + BUILDS


def test_an_operator_that_is_killed_at_any_time_builds_all_once_and_leaves_nothing(
    found: Callable[[str], Town],
) -> None:
    town = found("killed")
    chance = random.Random(BUILDS)
    operator = town.operator("operator", YADOKARI_IDENTITY="it")
    town.build(BUILDS, podRetention={"succeeded": "0s"})
    all_are_built = town.has_built(BUILDS)
    kills, end = 0, time.monotonic() + PATIENCE
    while kills < KILLS and not all_are_built():
        assert time.monotonic() < end
        # To start takes it a second or more, of a slow machine several.
        time.sleep(chance.uniform(1, 5))
        operator.kill()
        kills += 1
        operator.start(YADOKARI_IDENTITY="it")
    print(f"{kills} kills")
    wait_until(all_are_built, seconds=PATIENCE)
    assert (len(town.nodes.started), set(town.nodes.started.values())) == (BUILDS, {1})
    wait_until(lambda: town.left() == [], seconds=PATIENCE)
    assert "error of the operator itself" not in operator.log
