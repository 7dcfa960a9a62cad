"""When a run begins though nothing of its inputs has changed, and what is asked for that."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise, product
from typing import Any

import pytest

from support import resources
from support.resources import NOW, SPEC, image_build, pod_resource, with_status
from yadokari_api.imagebuild import ImageBuild
from yadokari_api.reasons import StateReason
from yadokari_api.status import Base, Source
from yadokari_contract.reasons import Reason
from yadokari_operator.pods.observed import Pod, parse_pod
from yadokari_operator.reconcile.decide import held, reconcile, refused
from yadokari_operator.reconcile.decision import Answer, Create, Decision, Observed
from yadokari_operator.settings import Settings
from yadokari_operator.turns import Place

A, B, C = (f"sha256:{digit * 64}" for digit in "abc")
OLD, NEW = "1" * 40, "2" * 40
BASE = "registry.test/base:1"
HOURLY = {"onBaseImageChange": {"interval": "1h"}}
DAILY = {"schedule": {"cron": "0 3 * * *"}}
GIT = {"url": "https://git.test/app.git", "ref": "main"}
FOLLOWS_GIT: dict[str, Any] = {"rebuild": {"onGitChange": {"interval": "5m"}}, "context": {"git": GIT}}
LOCATION = "git://git.test/app.git#main"


def at(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)


def decide(
    build: ImageBuild, hours: float = 0, *pods: Pod, answers: Mapping[str, Answer] | None = None
) -> Decision:
    observed = Observed(build=build, pods=pods, sources={}, answers=answers or {})
    return reconcile(observed, Settings(), at(hours))


def pods(decision: Decision) -> list[dict[str, Any]]:
    """The pods that are made."""
    made = [act.manifest for act in decision.actions if isinstance(act, Create)]
    return [manifest for manifest in made if manifest["kind"] == "Pod"]


def begun(decision: Decision) -> list[str]:
    """The names of the pods that are made."""
    return [manifest["metadata"]["name"] for manifest in pods(decision)]


def with_pod(
    build: ImageBuild, decision: Decision, status: dict[str, Any], hours: float = 0
) -> tuple[ImageBuild, Pod]:
    """The ImageBuild after a decision that made a pod, and that pod."""
    (manifest,) = pods(decision)
    resource = pod_resource(manifest, status, age=-3600 * hours)
    build = with_status(build, replace(decision.status, pod_uids=(resource["metadata"]["uid"],)))
    pod = parse_pod(resource, build)
    assert pod is not None
    return build, pod


def run_to_its_end(
    build: ImageBuild,
    decision: Decision,
    hours: float = 0,
    *,
    how: dict[str, Any] | None = None,
    base: Base | None = None,
    commit: str = "",
) -> ImageBuild:
    """The ImageBuild after a run that has just ended, with what it was made of."""
    ended = {**(how or resources.built())}
    for container in ended["containerStatuses"]:
        container["state"]["terminated"]["finishedAt"] = at(hours).strftime("%Y-%m-%dT%H:%M:%SZ")
    build, pod = with_pod(build, decision, ended, hours)
    source = Source(commit=commit) if commit else None
    status = replace(
        decide(build, hours, pod).status, bases=(base or Base(reference=BASE, digest=A),), source=source
    )
    return with_status(build, status)


def built(
    *,
    how: dict[str, Any] | None = None,
    base: str = A,
    commit: str = "",
    name: str = BASE,
    **spec: Any,
) -> ImageBuild:
    """An ImageBuild whose first run has just ended; its pod and its ConfigMap are gone by now."""
    build = image_build(SPEC | spec)
    made_with = Base(reference=name, digest=base)
    return run_to_its_end(build, decide(build), how=how, base=made_with, commit=commit)


def next_look(decision: Decision) -> float | None:
    """In how many hours it is looked at again."""
    return None if decision.look_again is None else decision.look_again / 3600


# NOW is four minutes after three o'clock.


def test_a_run_begins_when_the_schedule_says_so() -> None:
    build = built(rebuild=DAILY)
    waits = decide(build)
    assert waits.actions == ()
    assert waits.status.schedule is not None
    assert waits.status.schedule.next == "2026-01-03T03:00:00Z"
    assert waits.look_again == (datetime.fromisoformat("2026-01-03T03:00:00Z") - NOW).total_seconds()
    build = with_status(build, waits.status)
    assert decide(build, 23).actions == ()
    due = decide(build, 24)
    assert len(begun(due)) == 1
    assert (due.status.run.number, due.status.run.reason) == (2, "Scheduled")
    assert due.status.run.cause == "0 3 * * * UTC was due at 2026-01-03T03:00:00Z"
    assert due.status.last_succeeded == build.status.last_succeeded


def test_what_was_missed_while_no_operator_ran_is_made_up_for_once() -> None:
    build = built(rebuild=DAILY)
    build = with_status(build, decide(build).status)
    late = decide(build, 24 * 10)
    assert late.status.run.cause == "0 3 * * * UTC was due at 2026-01-03T03:00:00Z"
    done = run_to_its_end(build, late, 24 * 10)
    again = decide(done, 24 * 10)
    assert again.status.schedule is not None
    assert again.status.schedule.next == "2026-01-13T03:00:00Z"
    assert (again.actions, again.status.run.number) == ((), 2)


def test_a_clock_that_was_ahead_and_is_set_back_postpones_no_schedule() -> None:
    build = built(rebuild=DAILY)
    build = with_status(build, decide(build).status)
    ahead = run_to_its_end(build, decide(build, 1000), 1000)
    ahead = with_status(ahead, decide(ahead, 1000).status)
    made_up = decide(ahead, 24)
    assert (made_up.status.run.number, made_up.status.run.reason) == (3, "Scheduled")
    settled = decide(run_to_its_end(ahead, made_up, 24), 25)
    assert settled.actions == ()
    assert settled.status.schedule is not None
    assert settled.status.schedule.next == "2026-01-04T03:00:00Z"


def test_a_schedule_that_began_when_the_clock_was_ahead_begins_when_it_is_set_back() -> None:
    build = image_build(SPEC | {"rebuild": DAILY}, built().status, generation=2)
    build = with_status(build, decide(build, 1000).status)
    settled = decide(build, 1)
    assert settled.actions == ()
    assert settled.status.schedule is not None
    assert settled.status.schedule.next == "2026-01-03T03:00:00Z"


def test_a_clock_that_was_ahead_and_is_set_back_keeps_nobody_from_asking() -> None:
    build = built(rebuild=HOURLY)
    ahead = decide(build, 1000, answers={BASE: Answer(at(999.9), A)})
    build = with_status(build, ahead.status)
    (want,) = decide(build, 2).wants
    assert want.due < at(2)
    asked = decide(build, 2.1, answers={BASE: Answer(at(2), A)})
    assert [it.due for it in asked.wants] == [at(3)]
    moved = decide(build, 2.1, answers={BASE: Answer(at(2), B)})
    assert moved.status.run.reason == "BaseImageChanged"


def test_a_schedule_that_is_new_or_changed_has_missed_nothing() -> None:
    build = built()
    scheduled = image_build(SPEC | {"rebuild": DAILY}, build.status, generation=2)
    seen = decide(scheduled, 100)
    assert seen.actions == ()
    assert seen.status.schedule is not None
    assert seen.status.schedule.since == at(100).strftime("%Y-%m-%dT%H:%M:%SZ")
    other = {"schedule": {"cron": "0 3 * * *", "timeZone": "Asia/Tokyo"}}
    moved = image_build(SPEC | {"rebuild": other}, seen.status, generation=3)
    assert decide(moved, 300).actions == ()


def test_a_run_that_lasts_is_not_replaced_by_its_schedule() -> None:
    build = image_build(SPEC | {"rebuild": {"schedule": {"cron": "* * * * *"}}})
    build, pod = with_pod(build, decide(build), resources.RUNNING)
    assert decide(build, 0.5, pod).actions == ()


def test_a_failed_build_is_tried_again_by_its_schedule() -> None:
    build = built(how=resources.failed(Reason.RUN_FAILED), rebuild=DAILY)
    build = with_status(build, decide(build).status)
    assert build.status.phase == "Failed"
    assert decide(build, 24).status.run.reason == "Scheduled"


def test_nothing_is_due_while_it_is_suspended_and_what_was_missed_is_built_afterwards() -> None:
    build = built(rebuild=DAILY | HOURLY)
    build = with_status(build, decide(build).status)
    suspended = image_build(dict(build.spec) | {"suspend": True}, build.status, generation=2)
    rests = decide(suspended, 50, answers={BASE: Answer(at(49), B)})
    assert (rests.actions, rests.wants, rests.look_again) == ((), (), None)
    awake = image_build(dict(build.spec), with_status(suspended, rests.status).status, generation=3)
    assert decide(awake, 51).status.run.reason == "Scheduled"


def test_a_schedule_that_cannot_be_makes_the_spec_invalid() -> None:
    build = image_build(SPEC | {"rebuild": {"schedule": {"cron": "0 25 * * *"}}})
    decision = decide(build)
    assert (decision.status.phase, decision.status.reason) == ("Failed", "InvalidSpec")
    assert "spec.rebuild.schedule.cron: 0 25 * * *: bad hour" in decision.status.message


def test_a_run_that_waits_for_its_turn_is_the_same_one_later() -> None:
    build = built(rebuild=DAILY)
    build = with_status(build, decide(build).status)
    due = decide(build, 24)
    waits = held(Observed(build=build, sources={}), due, Place(1, 1, 1), at(24))
    build = with_status(build, waits.status)
    assert build.status.schedule is not None
    later = decide(build, 25)
    assert begun(later) == begun(due)
    assert (later.status.run.number, later.status.run.reason) == (2, "Scheduled")


def test_runs_of_the_same_inputs_have_pods_of_different_names() -> None:
    build = built(rebuild=DAILY)
    names = [build.status.run.pod]
    for day in (1, 2):
        build = with_status(build, decide(build, 24 * (day - 1)).status)
        due = decide(build, 24 * day)
        names += begun(due)
        build = with_status(build, replace(build.status, run=due.status.run))
    assert len(set(names)) == 3


def test_a_base_is_asked_for_after_its_interval() -> None:
    build = built(rebuild=HOURLY)
    early = decide(build)
    assert [want.name for want in early.wants] == [BASE]
    (want,) = early.wants
    finished = datetime.fromisoformat(build.status.run.finished_at or "")
    assert (want.due, want.interval) == (finished + timedelta(hours=1), timedelta(hours=1))
    assert early.look_again == (want.due - NOW).total_seconds()


def test_bases_with_a_digest_never_move() -> None:
    assert decide(built(name=f"{BASE}@{A}", rebuild=HOURLY)).wants == ()


def test_nothing_is_asked_for_where_the_spec_does_not_want_it() -> None:
    assert decide(built()).wants == ()
    assert decide(built(rebuild=DAILY)).wants == ()


def test_a_base_that_has_moved_begins_a_run_that_says_from_where_to_where() -> None:
    build = built(rebuild=HOURLY)
    moved = decide(build, 2, answers={BASE: Answer(at(1.9), B)})
    assert len(begun(moved)) == 1
    assert moved.status.run.reason == "BaseImageChanged"
    assert moved.status.run.cause == f"{BASE} moved from {A} to {B}"
    assert moved.wants == ()


def test_a_base_that_has_not_moved_begins_nothing_and_is_asked_for_an_interval_later() -> None:
    build = built(rebuild=HOURLY)
    same = decide(build, 2, answers={BASE: Answer(at(1.9), A)})
    assert same.actions == ()
    assert [(it.name, it.resolved, it.failures) for it in same.status.asked] == [(BASE, A, None)]
    assert next_look(same) == pytest.approx(0.9)
    assert decide(with_status(build, same.status), 2).status == same.status


def test_a_base_that_the_build_does_not_follow_begins_one_run_alone() -> None:
    """Such as one that a registry's mirror still has as it was."""
    build = built(rebuild=HOURLY)
    moved = decide(build, 2, answers={BASE: Answer(at(1.9), B)})
    asked = run_to_its_end(build, moved, 2)
    assert decide(asked, 4, answers={BASE: Answer(at(3.9), B)}).actions == ()
    assert decide(asked, 4, answers={BASE: Answer(at(3.9), C)}).status.run.reason == "BaseImageChanged"


def test_what_was_known_before_a_run_for_another_reason_counts_no_more() -> None:
    build = built(rebuild=HOURLY)
    same = decide(build, 2, answers={BASE: Answer(at(1.9), A)})
    run = replace(build.status.run, finished_at="2026-01-02T08:00:00Z", reason="Requested")
    newer = with_status(build, replace(same.status, run=run, bases=(Base(reference=BASE, digest=B),)))
    assert decide(newer, 5.5).status.asked == ()
    assert decide(newer, 5.5, answers={BASE: Answer(at(5.4), A)}).status.run.reason == "BaseImageChanged"


def test_what_was_found_out_before_a_run_ended_counts_for_nothing() -> None:
    build = built(rebuild=HOURLY)
    decision = decide(build, 0, answers={BASE: Answer(at(-1), B)})
    assert (decision.actions, decision.status.asked) == ((), ())


def test_a_registry_that_does_not_answer_fails_nothing_and_is_asked_again_less_and_less_often() -> None:
    build = built(rebuild=HOURLY)
    hours, waits = 2.0, []
    for _ in range(8):
        down = decide(build, hours, answers={BASE: Answer(at(hours), failure="RegistryError: down")})
        assert (down.actions, down.status.phase) == ((), "Succeeded")
        waits.append(round((next_look(down) or 0) * 60))
        build = with_status(build, down.status)
        hours += 1
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [(it.failures, it.message) for it in build.status.asked] == [(8, "RegistryError: down")]
    up = decide(build, hours, answers={BASE: Answer(at(hours), A)})
    assert [(it.failures, it.message, it.resolved) for it in up.status.asked] == [(None, None, A)]


def test_what_moves_while_an_input_is_missing_is_built_when_it_is_there() -> None:
    spec = {"dockerfile": None, "dockerfileFrom": {"configMapKeyRef": {"name": "source"}}}
    plain = built(rebuild=HOURLY)
    made = {key: value for key, value in (dict(plain.spec) | spec).items() if value is not None}
    build = image_build(made, plain.status)
    missing = decide(build, 2, answers={BASE: Answer(at(1.9), B)})
    assert missing.actions == ()
    assert [(it.time, it.resolved) for it in missing.status.asked] == [
        (at(1.9).strftime("%Y-%m-%dT%H:%M:%SZ"), None)
    ]
    back = image_build(dict(plain.spec), missing.status)
    assert decide(back, 4, answers={BASE: Answer(at(3.9), B)}).status.run.reason == "BaseImageChanged"


def test_a_quota_that_has_no_room_loses_no_run_that_is_due() -> None:
    build = built(rebuild=HOURLY)
    moved = decide(build, 2, answers={BASE: Answer(at(1.9), B)})
    full = refused(Observed(build=build, sources={}), moved, StateReason.QUOTA_EXCEEDED, "full", at(2))
    build = with_status(build, full.status)
    later = decide(build, 3)
    assert (later.status.run.number, later.status.run.reason) == (2, "BaseImageChanged")
    assert begun(later) == begun(moved)


def test_a_branch_that_has_moved_begins_a_run() -> None:
    build = built(commit=OLD, **FOLLOWS_GIT)
    assert [want.name for want in decide(build).wants] == [LOCATION]
    assert decide(build, 1, answers={LOCATION: Answer(at(1), OLD)}).actions == ()
    moved = decide(build, 1, answers={LOCATION: Answer(at(1), NEW)})
    assert moved.status.run.reason == "GitChanged"
    assert moved.status.run.cause == f"{LOCATION} moved from {OLD} to {NEW}"


def test_a_commit_of_which_none_is_known_before_begins_nothing_until_it_moves() -> None:
    build = built(**FOLLOWS_GIT)
    first = decide(build, 1, answers={LOCATION: Answer(at(1), OLD)})
    assert first.actions == ()
    build = with_status(build, first.status)
    assert decide(build, 2, answers={LOCATION: Answer(at(2), NEW)}).status.run.reason == "GitChanged"


def test_what_a_run_began_for_is_in_its_message_and_in_the_history() -> None:
    build = built(rebuild=HOURLY)
    moved = decide(build, 2, answers={BASE: Answer(at(1.9), B)})
    (name,) = begun(moved)
    why = f"{BASE} moved from {A} to {B}"
    started = resources.RUNNING | {"startTime": at(2).strftime("%Y-%m-%dT%H:%M:%SZ")}
    begins, pod = with_pod(build, moved, started, 2)
    running = decide(begins, 2, pod)
    assert running.status.message == f"attempt 1 runs in pod {name}, since {why}"
    assert [it.message for it in running.events] == [running.status.message]
    assert run_to_its_end(build, moved, 2).status.history[0].cause == why


@pytest.mark.parametrize("digests", [*product([A, B, C], repeat=3)])
def test_whatever_a_tag_moves_to_is_what_is_built_after_it_was_asked_for_and_built_once(
    digests: tuple[str, ...],
) -> None:
    build, hours, runs = built(rebuild=HOURLY), 0, 1
    for before, digest in pairwise([A, *digests]):
        hours += 2
        decision = decide(build, hours, answers={BASE: Answer(at(hours - 0.5), digest)})
        runs += before != digest
        if pods(decision):
            build = run_to_its_end(build, decision, hours, base=Base(reference=BASE, digest=digest))
        else:
            build = with_status(build, decision.status)
        assert ([base.digest for base in build.status.bases], build.status.run.number) == ([digest], runs)
