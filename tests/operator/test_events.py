import dataclasses
import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from support.resources import IMAGE, NOW, image_build, time
from yadokari_api.reasons import StateReason, advice
from yadokari_api.status import BuildFailure, RunStatus, Status
from yadokari_contract.progress import Progress
from yadokari_contract.results.build import BuildResult
from yadokari_operator import reports
from yadokari_operator.events import event, event_manifest
from yadokari_operator.reconcile.live import live

RUN = Status(
    inputs_hash="0" * 64,
    run=RunStatus(number=1, attempt=1, pod="app-0000000000-1", started_at=time(83)),
)
FAILURE = BuildFailure(reason="StepFailed", message="Dockerfile:3: exit code 7", line=3)


def test_the_same_happening_makes_an_event_of_the_same_name() -> None:
    def manifest(at: datetime) -> dict[str, Any]:
        told = event(Status(), reports.building(image_build(), RUN, at))
        assert told is not None
        return event_manifest(image_build(), told, at)

    first, again = manifest(NOW), manifest(NOW + timedelta(seconds=9))
    assert first["metadata"] == again["metadata"]
    assert first["involvedObject"]["uid"] == "u1"
    assert (first["type"], first["reason"], first["firstTimestamp"]) == ("Normal", "Building", time(0))


def test_people_are_told_what_happened_once() -> None:
    build = image_build()
    building = reports.building(build, RUN, NOW)
    told = event(Status(), building)
    assert told is not None
    assert (told.warning, told.reason) == (False, "Building")
    assert event(building, reports.building(build, RUN, NOW + timedelta(9))) is None


def test_a_build_that_pushes_says_so_and_no_step_makes_more_than_one_event_by_it() -> None:
    build, now = image_build(), NOW
    steps = reports.building(build, RUN, now, live(Progress("Building", 1, 2, "RUN make")))
    pushes = reports.building(build, steps, now, live(Progress("Pushing", 0, 0, IMAGE)))
    assert (steps.reason, pushes.reason) == ("Building", "Pushing")
    assert (pushes.phase, pushes.conditions[0].status) == ("Building", "Unknown")
    told, again = event(steps, pushes), event(steps, pushes)
    assert told is not None
    assert (told.warning, told.reason, told.token) == (False, "Pushing", again and again.token)
    assert event(pushes, steps) == event(Status(), steps)


@pytest.mark.parametrize(
    ("made", "warning"),
    [
        (reports.succeeded(image_build(), RUN, NOW, [IMAGE], BuildResult(), NOW), False),
        (reports.failed(image_build(), RUN, NOW, FAILURE, NOW), True),
        (reports.retrying(image_build(), RUN, NOW, FAILURE), True),
        (reports.blocked(image_build(), RUN, NOW, StateReason.POD_PENDING, "no secret"), True),
    ],
)
def test_troubles_are_warnings(made: Status, warning: bool) -> None:
    told = event(Status(), made)
    assert told is not None
    assert told.warning is warning


@pytest.mark.parametrize(("said", "between"), [("it failed", "; "), ("it failed\n  3 | RUN make", "\n")])
def test_a_warning_says_what_to_do_and_not_within_the_lines_that_it_shows(said: str, between: str) -> None:
    failure = dataclasses.replace(FAILURE, message=said)
    told = event(Status(), reports.failed(image_build(), RUN, NOW, failure, NOW))
    assert told is not None
    assert told.message == f"{said}{between}what to do: {advice('StepFailed')}"


def test_a_change_that_stays_unbuilt_is_a_warning_though_what_was_built_is_there() -> None:
    ended = reports.succeeded(image_build(), RUN, NOW, [IMAGE], BuildResult(), NOW)
    told = event(ended, reports.forbidden(image_build(), ended, NOW))
    assert told is not None
    assert (told.warning, told.reason) == (True, "ChangeForbidden")


@pytest.mark.parametrize("name", ["app", "a" * 253, "a" * 199 + "-b", "a" * 199 + ".b"])
def test_the_name_of_an_event_is_one_of_kubernetes(name: str) -> None:
    told = event(Status(), reports.building(image_build(name=name), RUN, NOW))
    assert told is not None
    made = event_manifest(image_build(name=name), told, NOW)["metadata"]["name"]
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", made)
    assert len(made) <= 253


@pytest.mark.parametrize("reason", [StateReason.QUEUED, StateReason.SCHEDULING, StateReason.PULLING])
def test_ordinary_waiting_is_told_once_and_is_no_warning(reason: StateReason) -> None:
    waits = reports.waiting(image_build(), RUN, NOW, reason, "number 2 of 5")
    told = event(Status(), waits)
    assert told is not None
    assert (told.warning, told.reason, told.message) == (False, reason, "number 2 of 5")
    assert event(waits, reports.waiting(image_build(), RUN, NOW, reason, "number 1 of 4")) is None


def test_events_of_two_attempts_have_different_tokens() -> None:
    second = dataclasses.replace(RUN, run=dataclasses.replace(RUN.run, attempt=2))
    events = [event(Status(), reports.building(image_build(), run, NOW)) for run in (RUN, second)]
    assert len({told.token for told in events if told}) == 2
