"""When to try again, and after how long."""

import pytest

from yadokari_builder.errors import RegistryError
from yadokari_builder.registry.http.retry import RetryPolicy, ThrottledError


def waited(error: RegistryError, policy: RetryPolicy) -> list[float]:
    waits: list[float] = []

    def fail() -> None:
        raise error

    with pytest.raises(RegistryError):
        RetryPolicy(policy.attempts, policy.first_delay, policy.max_delay, waits.append, policy.chance).run(
            fail
        )
    return waits


TEMPORARY = RegistryError("x", temporary=True)


def test_delays_double_up_to_the_longest() -> None:
    policy = RetryPolicy(attempts=6, first_delay=1, max_delay=5, chance=lambda: 1)
    assert waited(TEMPORARY, policy) == [1, 2, 4, 5, 5]


def test_half_of_a_delay_is_chance() -> None:
    assert waited(TEMPORARY, RetryPolicy(attempts=3, first_delay=1, chance=lambda: 0)) == [0.5, 1]
    delays = {waited(TEMPORARY, RetryPolicy(attempts=2, first_delay=1))[0] for _ in range(20)}
    assert len(delays) > 1
    assert all(0.5 <= delay <= 1 for delay in delays)


def test_what_a_registry_asks_for_is_waited_in_full() -> None:
    throttled = ThrottledError("x", status=429, codes=(), retry_after=7)
    assert waited(throttled, RetryPolicy(attempts=3, first_delay=1, chance=lambda: 0)) == [7, 7]


def test_lasting_errors_are_not_tried_again() -> None:
    assert waited(RegistryError("x"), RetryPolicy()) == []


def test_more_tries_can_be_asked_for_and_no_fewer() -> None:
    assert RetryPolicy(attempts=3).at_least(5).attempts == 6
    assert RetryPolicy(attempts=3).at_least(0).attempts == 3
    assert len(waited(TEMPORARY, RetryPolicy(first_delay=1e-9).at_least(100))) == 100
