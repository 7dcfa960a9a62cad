"""Several operators at once: processes of the host, on a real API server, with pretended nodes."""

import signal
import time
from collections.abc import Callable

import pytest

from support.operator_process import wait_until
from support.town import Town, says

pytestmark = [pytest.mark.cluster, pytest.mark.api_server, pytest.mark.long]

HAND_OVER = 20


def test_another_takes_over_from_an_operator_that_dies_sleeps_or_ends(found: Callable[[str], Town]) -> None:
    # Two installations, so that they are waited for together.
    towns = [found("dying"), found("sleeping")]
    dying, sleeping = firsts = [town.operator("first") for town in towns]
    for first in firsts:
        wait_until(says(first, "this operator works"))
    seconds = [town.operator("second") for town in towns]
    for second, town in zip(seconds, towns, strict=True):
        wait_until(says(second, "stands by"))
        town.build(5, "before")
        wait_until(town.has_started(5))

    begin = time.monotonic()
    dying.kill()
    sleeping.send(signal.SIGSTOP)
    for town in towns:
        town.build(5, "after")
    for second in seconds:
        wait_until(says(second, "this operator works"), seconds=HAND_OVER)
    assert time.monotonic() - begin < HAND_OVER
    for town in towns:
        wait_until(town.has_built(10))

    # It wakes up, finds another in its place, and leaves everything to that one.
    sleeping.send(signal.SIGCONT)
    assert sleeping.wait() == 1

    third = towns[0].operator("third")
    wait_until(says(third, "stands by"))
    assert seconds[0].stop() == 0
    wait_until(says(third, "this operator works"), seconds=5)
    for town in towns:
        assert set(town.nodes.started.values()) == {1}
