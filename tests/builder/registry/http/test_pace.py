import pytest

from yadokari_builder.registry.http.pace import Pace, Patience, TooSlowError


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def waited(pace: Pace, clock: Clock, seconds: float, size: int) -> None:
    started = pace.now()
    clock.now += seconds
    pace.note(started, size)


def make_pace() -> tuple[Pace, Clock]:
    clock = Clock()
    return Pace(Patience(floor=1000, window=60, total=3600, clock=clock)), clock


def test_a_byte_a_second_is_too_slow_after_a_minute() -> None:
    pace, clock = make_pace()
    for _ in range(59):
        waited(pace, clock, 1, 1)
    with pytest.raises(TooSlowError, match="less than 1000 bytes a second"):
        waited(pace, clock, 1, 1)


def test_what_comes_in_bursts_is_judged_by_its_average() -> None:
    pace, clock = make_pace()
    for _ in range(50):
        waited(pace, clock, 59, 0)
        waited(pace, clock, 1, 60_000)


def test_a_quick_beginning_does_not_make_up_for_what_follows() -> None:
    pace, clock = make_pace()
    waited(pace, clock, 60, 10**9)
    with pytest.raises(TooSlowError):
        waited(pace, clock, 60, 59_999)


def test_only_waiting_counts_and_not_what_is_done_meanwhile() -> None:
    pace, clock = make_pace()
    for _ in range(100):
        clock.now += 1000
        waited(pace, clock, 0.5, 1000)


def test_nothing_goes_on_for_ever_however_quick_it_is() -> None:
    pace, clock = make_pace()
    for _ in range(60):
        waited(pace, clock, 60, 10**6)
    with pytest.raises(TooSlowError, match="not through after 3600 seconds"):
        waited(pace, clock, 60, 10**6)
