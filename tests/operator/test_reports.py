from datetime import timedelta

from support.resources import DIGEST, IMAGE, NOW, image_build, time, with_status
from yadokari_api.reasons import StateReason
from yadokari_api.status import LastSucceeded, Status
from yadokari_contract.result import BuildResult, Failure
from yadokari_operator import reports

RUN = Status(inputs_hash="0" * 64, attempt=1, pod_name="app-0000000000-1", start_time=time(83))
FAILURE = Failure("StepFailed", "Dockerfile:3: exit code 7", 3, "the log's end")


def truths(of: Status) -> dict[str, str]:
    return {condition.type: condition.status for condition in of.conditions}


def test_a_build_on_its_way_is_reconciling_and_neither_ready_nor_not() -> None:
    expected = {"Ready": "Unknown", "Reconciling": "True", "Stalled": "False", "Succeeded": "Unknown"}
    assert truths(reports.waiting(image_build(), RUN, NOW, "soon")) == expected
    assert truths(reports.building(image_build(), RUN, NOW)) == expected


def test_a_build_that_lacks_something_or_tries_again_is_not_ready_but_reconciling() -> None:
    expected = {"Ready": "False", "Reconciling": "True", "Stalled": "False", "Succeeded": "Unknown"}
    assert truths(reports.blocked(image_build(), RUN, NOW, StateReason.POD_PENDING, "no secret")) == expected
    assert truths(reports.retrying(image_build(), RUN, NOW, FAILURE)) == expected


def test_a_success_tells_image_digest_and_duration() -> None:
    made = reports.succeeded(image_build(), RUN, NOW, IMAGE, BuildResult(digest=DIGEST), NOW)
    assert truths(made) == {"Ready": "True", "Reconciling": "False", "Stalled": "False", "Succeeded": "True"}
    assert (made.phase, made.image, made.digest, made.duration) == ("Succeeded", IMAGE, DIGEST, "1m23s")
    assert made.finished


def test_a_success_is_remembered_through_what_fails_after_it() -> None:
    done = with_status(
        image_build(), reports.succeeded(image_build(), RUN, NOW, IMAGE, BuildResult(digest=DIGEST), NOW)
    )
    last = LastSucceeded(digest=DIGEST, time=time(0), inputs_hash="0" * 64)
    assert done.status.last_succeeded == last
    begun = reports.begun(done, "1" * 64)
    assert (begun.digest, begun.last_succeeded) == (None, last)
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
    made = reports.failed(image_build(), RUN, NOW, Failure("A", "B", 10**4000), NOW)
    assert made.failure is not None
    assert made.failure.line is None


def test_transition_times_stay_while_a_condition_does() -> None:
    build = image_build()
    begun = with_status(build, reports.waiting(build, RUN, NOW, "soon"))
    later = reports.failed(begun, RUN, NOW + timedelta(seconds=9), FAILURE, NOW)
    times = {condition.type: condition.last_transition_time for condition in later.conditions}
    assert times["Ready"] == time(-9)
    assert {c.last_transition_time for c in reports.building(begun, RUN, NOW + timedelta(9)).conditions} == {
        time(0)
    }


def test_what_is_kept_holds_for_the_new_generation() -> None:
    done = reports.failed(image_build(), RUN, NOW, FAILURE, NOW)
    made = reports.kept(image_build(generation=2), done)
    assert made.observed_generation == 2
    assert {condition.observed_generation for condition in made.conditions} == {2}
    assert made.failure == done.failure
