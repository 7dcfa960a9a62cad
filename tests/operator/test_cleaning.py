from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support import resources
from support.resources import NOW, SPEC, failed, image_build, time
from yadokari_api.spec import ImageBuildSpec
from yadokari_api.status import RunStatus, Status
from yadokari_contract.reasons import Reason
from yadokari_operator.pods.observed import OwnedConfigMap, Pod, Standing
from yadokari_operator.pods.outcome import Outcome, Running, outcome_of
from yadokari_operator.pods.strays import parse_stray
from yadokari_operator.reconcile.cleaning import GRACE, Cleaning, Keeping, clean
from yadokari_operator.reconcile.decision import Delete, Observed

NOW_RUN, OLD_RUN, NEXT_RUN = "a" * 10, "b" * 10, "c" * 10
BUILT_POD = {"metadata": {"creationTimestamp": time(60)}}


def ended(status: dict[str, Any]) -> Outcome:
    return outcome_of(BUILT_POD | {"status": status})


def built(before: float) -> Outcome:
    status = resources.built()
    status["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = time(before)
    return ended(status)


def broken(before: float) -> Outcome:
    return ended(failed(Reason.RUN_FAILED, before=before))


def pod(
    outcome: Outcome,
    *,
    run: str = NOW_RUN,
    attempt: int = 1,
    standing: Standing = Standing.OURS,
    over: bool = True,
    deleted: bool = False,
) -> Pod:
    return Pod(
        uid=f"{run}-{attempt}",
        name=f"app-{run}-{attempt}",
        standing=standing,
        run=run,
        part="",
        attempt=attempt,
        retries=0,
        generation=1,
        created=NOW - timedelta(days=9),
        accepted=None,
        limit=None,
        deleted=NOW if deleted else None,
        over=over and not isinstance(outcome, Running),
        outcome=outcome,
    )


DONE = Status(phase="Succeeded", run=RunStatus(attempt=1))
BUILDING = Status(phase="Building", run=RunStatus(attempt=1))


def cleaned(
    *pods: Pod,
    status: Status | None = DONE,
    maps: tuple[OwnedConfigMap, ...] = (),
    run: str = NOW_RUN,
    **spec: Any,
) -> Cleaning:
    keeping = Keeping.of(ImageBuildSpec.model_validate(SPEC | spec))
    observed = Observed(build=image_build(), pods=pods, config_maps=maps, sources={})
    return clean(observed, run, status, keeping, NOW)


def gone(*pods: Pod, **how: Any) -> list[str]:
    return [action.uid for action in cleaned(*pods, **how).actions]


def test_a_pod_that_has_ended_is_kept_for_a_while_and_then_goes() -> None:
    kept = cleaned(pod(built(599)))
    assert (kept.actions, kept.due) == ((), NOW + timedelta(seconds=1))
    assert gone(pod(built(600))) == [f"{NOW_RUN}-1"]


def test_a_pod_that_failed_is_kept_for_longer() -> None:
    assert gone(pod(broken(86399))) == []
    assert gone(pod(broken(86400))) == [f"{NOW_RUN}-1"]


def test_how_long_is_for_the_spec_to_say() -> None:
    retention = {"podRetention": {"succeeded": "0s", "failed": "1m"}}
    assert gone(pod(built(0)), **retention) == [f"{NOW_RUN}-1"]
    assert gone(pod(broken(59)), **retention) == []
    assert gone(pod(broken(60)), **retention) == [f"{NOW_RUN}-1"]


def test_nothing_goes_before_the_status_says_what_came_of_it() -> None:
    assert gone(pod(built(10**6)), status=BUILDING, historyLimit=0) == []
    assert gone(pod(built(10**6)), status=None, historyLimit=0) == []


def test_of_earlier_pods_the_latest_are_kept() -> None:
    pods = [pod(broken(30 - n), attempt=n) for n in (1, 2, 3)]
    status = Status(phase="Building", run=RunStatus(attempt=4))
    assert gone(*pods, status=status) == [f"{NOW_RUN}-2", f"{NOW_RUN}-1"]
    assert gone(*pods, status=status, historyLimit=2) == [f"{NOW_RUN}-1"]
    assert gone(*pods, status=status, historyLimit=0) == [f"{NOW_RUN}-{n}" for n in (3, 2, 1)]


def test_the_log_of_the_build_before_is_kept_until_this_one_has_ended() -> None:
    before, now = pod(broken(99), run=OLD_RUN), pod(Running())
    assert gone(before, now, status=BUILDING) == []
    assert gone(before, pod(built(5))) == [f"{OLD_RUN}-1"]
    assert gone(before, pod(built(5)), historyLimit=2) == []


def test_a_pod_of_an_earlier_build_that_still_runs_is_ended() -> None:
    assert gone(pod(Running(), run=OLD_RUN), status=BUILDING) == [f"{OLD_RUN}-1"]


def test_a_pod_given_up_on_is_ended_once_that_is_written() -> None:
    timed_out = Status(phase="Failed", run=RunStatus(attempt=1))
    assert gone(pod(Running()), status=timed_out) == [f"{NOW_RUN}-1"]
    assert gone(pod(Running()), status=BUILDING) == []


def test_a_pod_in_which_another_container_runs_on_goes_soon_after_the_executor() -> None:
    grace = GRACE.total_seconds()
    kept = cleaned(pod(built(grace - 1), over=False))
    assert (kept.actions, kept.due) == ((), NOW + timedelta(seconds=1))
    assert gone(pod(built(grace), over=False)) == [f"{NOW_RUN}-1"]


def test_a_pod_that_goes_already_is_left_alone() -> None:
    assert cleaned(pod(built(10**6), deleted=True), pod(Running(), run=OLD_RUN, deleted=True)) == Cleaning(
        (), None
    )


@pytest.mark.parametrize("outcome", [Running(), built(5)])
def test_what_an_earlier_image_build_left_without_owner_goes(outcome: Outcome) -> None:
    assert gone(pod(outcome, run=OLD_RUN, standing=Standing.LEFT)) == [f"{OLD_RUN}-1"]


@pytest.mark.parametrize("outcome", [Running(), built(10**6)])
def test_what_the_garbage_collector_is_to_delete_is_left_to_it(outcome: Outcome) -> None:
    assert gone(pod(outcome, run=OLD_RUN, standing=Standing.EARLIER), historyLimit=0) == []


@pytest.mark.parametrize(
    ("name", "age", "status", "goes"),
    [
        (f"app-{OLD_RUN}-1", 0, BUILDING, True),
        (f"app-{NOW_RUN}-2", 0, BUILDING, False),
        (f"app-{NOW_RUN}-2", 0, DONE, True),
        (f"app-{NEXT_RUN}-1", 0, DONE, False),
        (f"app-{NEXT_RUN}-1", 301, DONE, True),
        (f"app-{NEXT_RUN}-1", 0, BUILDING, True),
        (f"app-{OLD_RUN}-index-1", 0, BUILDING, True),
        (f"app-{NOW_RUN}-index-1", 0, BUILDING, False),
        (f"app-{OLD_RUN}-resolve-1", 0, DONE, False),
        (f"app-{OLD_RUN}-resolve-1", 301, DONE, True),
        ("app-of-somebody", 301, DONE, False),
    ],
)
def test_a_pod_that_we_do_not_know_goes_unless_it_may_be_ours_yet(
    name: str, age: float, status: Status, goes: bool
) -> None:
    build = image_build(status=replace(status, pod_uids=()))
    owner = {"kind": "ImageBuild", "name": "app", "uid": build.uid, "controller": True}
    metadata = {"name": name, "uid": "u", "creationTimestamp": time(age), "ownerReferences": [owner]}
    stray = parse_stray({"metadata": metadata}, build)
    observed = Observed(build=build, strays=(stray,) if stray else (), sources={})
    cleaning = clean(observed, NOW_RUN, status, Keeping(), NOW, NEXT_RUN)
    assert cleaning.actions == ((Delete("Pod", name, "u", at_once=True),) if goes else ())


def test_config_maps_go_when_their_build_has_ended() -> None:
    maps = tuple(OwnedConfigMap(uid=run, name=f"app-{run}", run=run) for run in (NOW_RUN, OLD_RUN))
    assert gone(status=BUILDING, maps=maps) == [OLD_RUN]
    assert gone(status=DONE, maps=maps) == [NOW_RUN, OLD_RUN]
    assert gone(status=None, maps=maps, run="c" * 10) == [NOW_RUN, OLD_RUN]
