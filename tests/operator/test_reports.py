from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from support.resources import DIGEST, IMAGE, NOW, image_build, time, with_status
from yadokari_api import reasons
from yadokari_api.status import Status
from yadokari_contract.result import BuildResult, Failure
from yadokari_operator import status

RUN = Status(inputs_hash="0" * 64, attempt=1, pod_name="app-0000000000-1", start_time=time(83))
FAILURE = Failure("RunFailed", "Dockerfile:3: exit code 7", 3, "the log's end")


def truths(of: Status) -> dict[str, str]:
    return {condition.type: condition.status for condition in of.conditions}


def test_a_build_on_its_way_is_reconciling_and_neither_ready_nor_not() -> None:
    expected = {"Ready": "Unknown", "Reconciling": "True", "Stalled": "False", "Succeeded": "Unknown"}
    assert truths(status.waiting(image_build(), RUN, NOW, "soon")) == expected
    assert truths(status.building(image_build(), RUN, NOW)) == expected


def test_a_build_that_lacks_something_or_tries_again_is_not_ready_but_reconciling() -> None:
    expected = {"Ready": "False", "Reconciling": "True", "Stalled": "False", "Succeeded": "Unknown"}
    assert truths(status.blocked(image_build(), RUN, NOW, reasons.POD_PENDING, "no secret")) == expected
    assert truths(status.retrying(image_build(), RUN, NOW, FAILURE)) == expected


def test_a_success_tells_image_digest_and_duration() -> None:
    made = status.succeeded(image_build(), RUN, NOW, IMAGE, BuildResult(digest=DIGEST), NOW)
    assert truths(made) == {"Ready": "True", "Reconciling": "False", "Stalled": "False", "Succeeded": "True"}
    assert (made.phase, made.image, made.digest, made.duration) == ("Succeeded", IMAGE, DIGEST, "1m23s")
    assert made.finished


def test_a_failure_for_good_is_stalled_and_tells_the_line() -> None:
    made = status.failed(image_build(generation=4), RUN, NOW, FAILURE, NOW)
    assert truths(made) == {"Ready": "False", "Reconciling": "False", "Stalled": "True", "Succeeded": "False"}
    assert made.failure is not None
    assert (made.failure.reason, made.failure.line, made.failure.log_tail) == (
        "RunFailed",
        3,
        "the log's end",
    )
    assert {condition.reason for condition in made.conditions} == {"RunFailed"}
    assert {condition.observed_generation for condition in made.conditions} == {4}
    assert made.observed_generation == 4


def test_the_same_happening_makes_an_event_of_the_same_name() -> None:
    def manifest(at: datetime) -> dict[str, Any]:
        event = status.event(Status(), status.building(image_build(), RUN, at))
        assert event is not None
        return status.event_manifest(image_build(), event, at)

    first, again = manifest(NOW), manifest(NOW + timedelta(seconds=9))
    assert first["metadata"] == again["metadata"]
    assert first["involvedObject"]["uid"] == "u1"
    assert (first["type"], first["reason"], first["firstTimestamp"]) == ("Normal", "Building", time(0))


def test_a_line_that_cannot_be_is_left_out() -> None:
    made = status.failed(image_build(), RUN, NOW, Failure("A", "B", 10**4000), NOW)
    assert made.failure is not None
    assert made.failure.line is None


def test_transition_times_stay_while_a_condition_does() -> None:
    build = image_build()
    begun = with_status(build, status.waiting(build, RUN, NOW, "soon"))
    later = status.failed(begun, RUN, NOW + timedelta(seconds=9), FAILURE, NOW)
    times = {condition.type: condition.last_transition_time for condition in later.conditions}
    assert times["Ready"] == time(-9)
    assert {c.last_transition_time for c in status.building(begun, RUN, NOW + timedelta(9)).conditions} == {
        time(0)
    }


def test_what_is_kept_holds_for_the_new_generation() -> None:
    done = status.failed(image_build(), RUN, NOW, FAILURE, NOW)
    made = status.kept(image_build(status=done, generation=2))
    assert made.observed_generation == 2
    assert {condition.observed_generation for condition in made.conditions} == {2}
    assert made.failure == done.failure


def test_people_are_told_what_happened_once() -> None:
    build = image_build()
    building = status.building(build, RUN, NOW)
    event = status.event(Status(), building)
    assert event is not None
    assert (event.warning, event.reason) == (False, "Building")
    assert status.event(building, status.building(build, RUN, NOW + timedelta(9))) is None


@pytest.mark.parametrize(
    ("made", "warning"),
    [
        (status.succeeded(image_build(), RUN, NOW, IMAGE, BuildResult(), NOW), False),
        (status.failed(image_build(), RUN, NOW, FAILURE, NOW), True),
        (status.retrying(image_build(), RUN, NOW, FAILURE), True),
        (status.blocked(image_build(), RUN, NOW, reasons.POD_PENDING, "no secret"), True),
    ],
)
def test_troubles_are_warnings(made: Status, warning: bool) -> None:
    event = status.event(Status(), made)
    assert event is not None
    assert event.warning is warning


def test_ordinary_waiting_is_no_event() -> None:
    assert status.event(Status(), status.waiting(image_build(), RUN, NOW, "soon")) is None


def test_events_of_two_attempts_have_different_tokens() -> None:
    second = replace(RUN, attempt=2)
    events = [status.event(Status(), status.building(image_build(), run, NOW)) for run in (RUN, second)]
    assert len({event.token for event in events if event}) == 2
