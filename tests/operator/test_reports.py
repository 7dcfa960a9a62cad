import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.resources import DIGEST, IMAGE, NOW, image_build, time, with_status
from yadokari_api.reasons import StateReason
from yadokari_api.status import (
    BuildFailure,
    LastSucceeded,
    Output,
    RunStatus,
    Source,
    Status,
    Steps,
    TimedPhase,
    format_status,
    parse_status,
)
from yadokari_contract.progress import Progress
from yadokari_contract.reasons import Retry
from yadokari_contract.results.build import BaseImage, BuildResult, Failure, Phase
from yadokari_operator import reports
from yadokari_operator.reconcile.live import live

RUN = Status(
    inputs_hash="0" * 64,
    run=RunStatus(number=1, attempt=1, pod="app-0000000000-1", started_at=time(83)),
)
FAILURE = BuildFailure(
    reason="StepFailed", message="Dockerfile:3: exit code 7", line=3, log_tail="the log's end"
)


def truths(of: Status) -> dict[str, str]:
    return {condition.type: condition.status for condition in of.conditions}


def test_a_build_on_its_way_is_reconciling_and_neither_ready_nor_not() -> None:
    expected = {"Ready": "Unknown", "Reconciling": "True", "Stalled": "False", "Succeeded": "Unknown"}
    assert truths(reports.waiting(image_build(), RUN, NOW, StateReason.PULLING, "soon")) == expected
    assert truths(reports.building(image_build(), RUN, NOW)) == expected


def test_how_far_a_build_has_come_is_told_while_it_runs_and_no_longer() -> None:
    progress = live(Progress("Building", 3, 12, "RUN " + "make " * 20))
    told = reports.building(image_build(), RUN, NOW, progress)
    assert told.progress is not None
    assert (told.progress.phase, told.progress.step, told.progress.steps) == ("Building", 3, 12)
    assert told.progress.summary == "Building 3/12: RUN make make make make make make make make mak…"
    pushing = reports.building(image_build(), told, NOW, live(Progress("Pushing", 0, 0, "a/b:1")))
    assert pushing.progress is not None
    assert (pushing.progress.step, pushing.progress.summary) == (None, "Pushing a/b:1")
    assert reports.retrying(image_build(), told, NOW, FAILURE).progress is None
    assert reports.failed(image_build(), told, NOW, FAILURE, NOW).progress is None


def test_a_build_that_lacks_something_or_tries_again_is_not_ready_but_reconciling() -> None:
    expected = {"Ready": "False", "Reconciling": "True", "Stalled": "False", "Succeeded": "Unknown"}
    assert truths(reports.blocked(image_build(), RUN, NOW, StateReason.POD_PENDING, "no secret")) == expected
    assert truths(reports.retrying(image_build(), RUN, NOW, FAILURE)) == expected


def test_a_success_tells_image_digest_and_duration() -> None:
    made = reports.succeeded(image_build(), RUN, NOW, [IMAGE], BuildResult(digest=DIGEST), NOW)
    assert truths(made) == {"Ready": "True", "Reconciling": "False", "Stalled": "False", "Succeeded": "True"}
    assert (made.phase, made.output, made.run.duration) == ("Succeeded", Output.at([IMAGE], DIGEST), "1m23s")
    assert made.finished


def test_bases_are_told_but_for_those_that_are_none() -> None:
    right = [BaseImage(name, DIGEST) for name in ("busybox:latest", f"registry.test:5000/a/b:1@{DIGEST}")]
    wrong = [
        BaseImage("--flag", DIGEST),
        BaseImage("Busybox", DIGEST),
        BaseImage("a" * 600, DIGEST),
        BaseImage("a\nb", DIGEST),
        BaseImage("github.com/team/app", DIGEST),
        BaseImage("busybox", "latest"),
    ]
    result = BuildResult(digest=DIGEST, bases=(*wrong, *right))
    status = reports.succeeded(image_build(), RUN, NOW, [IMAGE], result, NOW)
    assert [(base.reference, base.digest) for base in status.bases] == [
        (it.reference, DIGEST) for it in right
    ]
    assert parse_status(format_status(status)) == status


def test_a_success_is_remembered_through_what_fails_after_it() -> None:
    done = with_status(
        image_build(), reports.succeeded(image_build(), RUN, NOW, [IMAGE], BuildResult(digest=DIGEST), NOW)
    )
    last = LastSucceeded(digest=DIGEST, time=time(0), inputs_hash="0" * 64)
    assert done.status.last_succeeded == last
    begun = reports.begun(done, "1" * 64, reports.Cause("InputsChanged"), NOW)
    assert (begun.output, begun.last_succeeded) == (None, last)
    assert reports.failed(done, begun, NOW, FAILURE, NOW).last_succeeded == last


def test_a_failure_for_good_is_stalled_and_tells_the_line() -> None:
    made = reports.failed(image_build(generation=4), RUN, NOW, FAILURE, NOW)
    assert truths(made) == {"Ready": "False", "Reconciling": "False", "Stalled": "True", "Succeeded": "False"}
    assert made.failure is not None
    assert (made.failure.reason, made.failure.line, made.failure.log_tail) == (
        "StepFailed",
        3,
        "the log's end",
    )
    assert {condition.reason for condition in made.conditions} == {"StepFailed"}
    assert {condition.observed_generation for condition in made.conditions} == {4}
    assert made.observed_generation == 4


def test_a_line_that_cannot_be_is_left_out() -> None:
    made = reports.failed_attempt(Failure("A", "B", 10**4000), Retry.NEVER, 1)
    assert made.line is None


def test_transition_times_stay_while_a_condition_does() -> None:
    build = image_build()
    begun = with_status(build, reports.waiting(build, RUN, NOW, StateReason.PULLING, "soon"))
    later = reports.failed(begun, RUN, NOW + timedelta(seconds=9), FAILURE, NOW)
    times = {condition.type: condition.last_transition_time for condition in later.conditions}
    assert times["Ready"] == time(-9)
    assert {c.last_transition_time for c in reports.building(begun, RUN, NOW + timedelta(9)).conditions} == {
        time(0)
    }


def test_what_is_kept_holds_for_the_new_generation() -> None:
    done = reports.failed(image_build(), RUN, NOW, FAILURE, NOW)
    made = reports.kept(image_build(generation=2), done, NOW)
    assert made.observed_generation == 2
    assert {condition.observed_generation for condition in made.conditions} == {2}
    assert made.failure == done.failure


def test_a_change_that_makes_no_other_image_is_up_to_date() -> None:
    done = reports.succeeded(image_build(), RUN, NOW, [IMAGE], BuildResult(digest=DIGEST), NOW)
    made = reports.kept(image_build(generation=2), done, NOW)
    assert made.reason == "UpToDate"
    assert truths(made) == truths(done)
    assert made.output == done.output
    assert reports.kept(image_build(generation=2), made, NOW) == made


def test_what_the_executor_tells_of_its_work_is_reported() -> None:
    phases = (Phase("pull", 1.25), Phase("run", 3))
    result = BuildResult(digest=DIGEST, size=9, context="a" * 40, phases=phases, steps=2, total_steps=3)
    made = reports.succeeded(image_build(), RUN, NOW, [IMAGE, "b"], result, NOW)
    assert made.output == Output.at([IMAGE, "b"], DIGEST, 9)
    assert made.source == Source(commit="a" * 40)
    assert made.steps == Steps(current=2, total=3, cached=0, performed=0, missed=0, saved_seconds=0)
    assert made.phases == (TimedPhase(name="pull", seconds=1.25), TimedPhase(name="run", seconds=3))
    assert reports.with_result(RUN, BuildResult(context=DIGEST)).source == Source(digest=DIGEST)


def test_the_cache_is_told_of_where_it_saved_steps() -> None:
    def done(cached: int, performed: int) -> Status:
        result = BuildResult(
            digest=DIGEST,
            steps=9,
            total_steps=9,
            cached=cached,
            performed=performed,
            missed=performed // 2,
            misses=("COPY src .: 3 files changed,\nfirst src/main.py", *["\x1b" * 300] * 40),
            saved=12.34,
        )
        return reports.succeeded(image_build(), RUN, NOW, [IMAGE], result, NOW)

    pushed = f"{IMAGE} was built and pushed with digest {DIGEST}"
    made = done(5, 2)
    assert made.steps == Steps(
        current=9,
        total=9,
        cached=5,
        performed=2,
        missed=1,
        misses=("COPY src .: 3 files changed,�first src/main.py", *["�" * 256] * 31),
        saved_seconds=12.3,
    )
    assert made.message == f"{pushed}, 5 of 7 steps from the cache"
    assert done(7, 0).message == f"{pushed}, 7 of 7 steps from the cache"
    assert done(0, 7).message == pushed


@pytest.mark.parametrize(("cached", "performed"), [(10, 0), (5, 5), (-1, 3), (3, -1)])
def test_numbers_that_cannot_be_are_left_out(cached: int, performed: int) -> None:
    result = BuildResult(digest=DIGEST, steps=9, total_steps=9, cached=cached, performed=performed)
    made = reports.succeeded(image_build(), RUN, NOW, [IMAGE], result, NOW)
    assert made.steps is None
    assert "cache" not in made.message


@pytest.mark.parametrize(
    ("missed", "saved"), [(3, 1.0), (-1, 1.0), (1, -1.0), (1, float("nan")), (1, float("inf"))]
)
def test_what_the_cache_has_saved_is_left_out_where_it_cannot_be(missed: int, saved: float) -> None:
    result = BuildResult(digest=DIGEST, steps=9, total_steps=9, performed=2, missed=missed, saved=saved)
    made = reports.succeeded(image_build(), RUN, NOW, [IMAGE], result, NOW)
    assert made.steps == Steps(current=9, total=9, cached=0, performed=2)


def test_the_step_that_failed_is_one_that_the_cache_missed() -> None:
    result = BuildResult(steps=2, total_steps=3, performed=1, missed=2, failure=Failure("StepFailed", "no"))
    assert reports.with_result(RUN, result).steps == Steps(
        current=2, total=3, cached=0, performed=1, missed=2, saved_seconds=0
    )


def test_steps_of_several_platforms_are_added_up() -> None:
    one = Steps(current=7, total=9, cached=4, performed=1, missed=1, misses=("a", "b"), saved_seconds=0.1)
    other = Steps(current=9, total=9, cached=2, performed=5, missed=4, misses=("b", "c"), saved_seconds=0.2)
    assert reports.in_all([one, None, other]) == Steps(
        current=16, total=18, cached=6, performed=6, missed=5, misses=("a", "b", "c"), saved_seconds=0.3
    )
    assert reports.in_all([one]) == one
    assert reports.in_all([None, None]) is None
    unknown = replace(other, missed=None, saved_seconds=None)
    assert reports.in_all([one, unknown]) == Steps(
        current=16, total=18, cached=6, performed=6, misses=("a", "b", "c")
    )
    many = replace(one, misses=tuple(map(str, range(32))))
    assert reports.in_all([many, other]) == replace(
        many, current=16, total=18, cached=6, performed=6, missed=5, saved_seconds=0.3
    )


def test_steps_of_a_version_before_that_did_not_count_cached_ones_are_kept() -> None:
    done = reports.succeeded(image_build(), RUN, NOW, [IMAGE], BuildResult(digest=DIGEST), NOW)
    stored = format_status(done) | {"steps": {"current": 2, "total": 3}}
    assert parse_status(stored) == replace(done, steps=Steps(current=2, total=3))
    assert format_status(reports.kept(image_build(), parse_status(stored), NOW))["steps"] == stored["steps"]


@given(
    st.builds(
        BuildResult,
        size=st.integers(),
        context=st.text(),
        phases=st.lists(st.builds(Phase, st.text(), st.floats()), max_size=40).map(tuple),
        steps=st.integers(),
        total_steps=st.integers(),
        cached=st.integers(),
        performed=st.integers(),
    )
)
def test_whatever_a_step_wrote_into_the_result_can_be_stored(result: BuildResult) -> None:
    made = reports.succeeded(image_build(), RUN, NOW, [IMAGE], result, NOW)
    stored = json.loads(json.dumps(format_status(made), allow_nan=False))
    assert parse_status(stored) == made
    assert len(json.dumps(stored)) < 20_000


@pytest.mark.parametrize(
    ("image", "ref"),
    [
        ("registry.test:5000/app", "registry.test:5000/app@"),
        ("registry.test:5000/app:1", "registry.test:5000/app@"),
        ("app:1.2", "app@"),
        ("app", "app@"),
    ],
)
def test_an_image_is_named_by_its_digest(image: str, ref: str) -> None:
    assert Output.at([image], DIGEST).ref == ref + DIGEST


def test_runs_are_counted_and_those_that_have_ended_are_told_of() -> None:
    done = with_status(
        image_build(), reports.succeeded(image_build(), RUN, NOW, [IMAGE], BuildResult(digest=DIGEST), NOW)
    )
    second = reports.begun(done, "1" * 64, reports.Cause("InputsChanged"), NOW)
    assert (second.run.number, second.run.reason, second.run.queued_at) == (2, "InputsChanged", time(0))
    attempt = replace(second, run=replace(second.run, attempt=1))
    failure = reports.failed_attempt(Failure("StepFailed", "no"), Retry.NEVER, 11)
    broken = with_status(done, reports.failed(done, attempt, NOW, failure, NOW))
    third = reports.begun(broken, "2" * 64, reports.Cause("SpecChanged"), NOW)
    replaced = with_status(broken, replace(third, run=replace(third.run, attempt=1)))
    fourth = reports.begun(replaced, "3" * 64, reports.Cause("InputsChanged"), NOW)
    told = [(run.number, run.result, run.failure, run.digest) for run in fourth.history]
    assert told == [
        (3, "Replaced", None, None),
        (2, "Failed", "StepFailed", None),
        (1, "Succeeded", None, DIGEST),
    ]
    assert fourth.run.number == 4


def test_a_run_that_never_began_is_not_told_of() -> None:
    waits = with_status(image_build(), reports.begun(image_build(), "1" * 64, reports.Cause("Created"), NOW))
    assert reports.begun(waits, "2" * 64, reports.Cause("InputsChanged"), NOW).history == ()


def test_no_more_runs_are_told_of_than_are_useful() -> None:
    build = image_build()
    for number in range(20):
        begun = reports.begun(build, str(number) * 64, reports.Cause("InputsChanged"), NOW)
        run = replace(begun, run=replace(begun.run, attempt=1))
        build = with_status(build, run)
    assert [run.number for run in build.status.history] == list(range(19, 9, -1))
