"""When schedules are due, in the time zones that they are written for."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_api.rebuild import Schedule
from yadokari_operator.reconcile.rebuilds.timetable import ScheduleError, Timetable

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def after(cron: str, time: str, zone: str | None = None) -> str:
    schedule = Schedule(cron=cron, time_zone=zone)
    found = Timetable.of(schedule, NOW).after(datetime.fromisoformat(time))
    assert found is not None
    return found.strftime("%Y-%m-%dT%H:%MZ")


@pytest.mark.parametrize(
    ("cron", "due"),
    [
        ("0 3 * * *", "2026-01-03T03:00Z"),
        ("*/15 * * * *", "2026-01-02T03:15Z"),
        ("0 4 * * MON-FRI", "2026-01-02T04:00Z"),
        ("30 2 1 * *", "2026-02-01T02:30Z"),
        ("0 0 29 2 *", "2028-02-29T00:00Z"),
        ("@hourly", "2026-01-02T04:00Z"),
        ("@daily", "2026-01-03T00:00Z"),
        ("@weekly", "2026-01-04T00:00Z"),
        ("@monthly", "2026-02-01T00:00Z"),
        ("@yearly", "2027-01-01T00:00Z"),
    ],
)
def test_the_first_time_after_another_one_is_due(cron: str, due: str) -> None:
    assert after(cron, "2026-01-02T03:04:05Z") == due


def test_a_time_that_is_due_is_not_due_again() -> None:
    assert after("0 3 * * *", "2026-01-02T03:00:00Z") == "2026-01-03T03:00Z"


def test_hours_are_those_of_the_time_zone() -> None:
    assert after("0 3 * * *", "2026-01-02T03:04:05Z", "Asia/Tokyo") == "2026-01-02T18:00Z"
    assert after("0 3 * * *", "2026-07-02T03:04:05Z", "Europe/Berlin") == "2026-07-03T01:00Z"


def test_what_is_due_in_the_hour_that_is_left_out_in_spring_is_due_right_after_it() -> None:
    assert after("30 2 * * *", "2026-03-28T12:00:00Z", "Europe/Berlin") == "2026-03-29T01:00Z"


def test_what_is_due_in_the_hour_that_comes_twice_in_autumn_is_due_once() -> None:
    first = after("30 2 * * *", "2026-10-24T12:00:00Z", "Europe/Berlin")
    assert first == "2026-10-25T00:30Z"
    assert after("30 2 * * *", "2026-10-25T00:30:00Z", "Europe/Berlin") == "2026-10-26T01:30Z"


@pytest.mark.parametrize(
    ("cron", "zone", "why"),
    [
        ("61 * * * *", None, "spec.rebuild.schedule.cron: 61 * * * *: bad minute"),
        ("0 25 * * *", None, "bad hour"),
        ("0 0 31 2 *", None, "bad day-of-month"),
        ("0 0 * * FRY", None, "bad day-of-week"),
        ("*/0 * * * *", None, "bad minute"),
        ("0 3 * * *", "Europe/Berln", "spec.rebuild.schedule.timeZone: there is no time zone Europe/Berln"),
        ("0 3 * * *", "Europe", "there is no time zone Europe"),
    ],
)
def test_a_schedule_that_cannot_be_says_which_field_is_wrong(cron: str, zone: str | None, why: str) -> None:
    with pytest.raises(ScheduleError) as raised:
        Timetable.of(Schedule(cron=cron, time_zone=zone), NOW)
    assert why in str(raised.value)


_term = st.one_of(
    st.sampled_from(["*", "1", "*/7", "1-5", "L", "LW", "1,L", "5#1", "5L", "5L/2"]),
    st.from_regex(r"[0-9A-Z*,/#-]{1,6}", fullmatch=True),
)


@given(st.lists(_term, min_size=5, max_size=5).map(" ".join))
def test_whatever_the_api_server_lets_through_is_due_later_or_refused_in_words(cron: str) -> None:
    schedule = Schedule(cron=cron)
    try:
        table = Timetable.of(schedule, NOW)
    except ScheduleError:
        return
    due = table.after(NOW)
    assert due is not None
    assert NOW < due < NOW + timedelta(days=366 * 51)
