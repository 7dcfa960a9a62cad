import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import resources
from support.resources import (
    DIGEST,
    IMAGE,
    NOW,
    RUNNING,
    SPEC,
    ended,
    failed,
    image_build,
    knowing,
    owned_config_map,
    pod_resource,
    taken_away,
    time,
    waiting,
    with_status,
)
from yadokari_api.imagebuild import ImageBuild
from yadokari_api.reasons import StateReason
from yadokari_api.spec import DEFAULT_RETRIES
from yadokari_api.status import LastSucceeded, Output, RunStatus, Status, parse_status
from yadokari_contract.arguments import parse_arguments
from yadokari_contract.reasons import Reason
from yadokari_contract.results.build import BuildResult, format_result
from yadokari_contract.spec import BuildSpec
from yadokari_operator.pods.inputs.files import ConfigMapData
from yadokari_operator.pods.observed import OwnedConfigMap, Pod, Standing, parse_pod
from yadokari_operator.reconcile.cleaning import GRACE
from yadokari_operator.reconcile.decide import held, reconcile, refused
from yadokari_operator.reconcile.decision import Create, Decision, Delete, Observed
from yadokari_operator.settings import Settings
from yadokari_operator.turns import Place

SETTINGS = Settings()
FROM_CONFIG_MAP = {
    "dockerfileFrom": {"configMapKeyRef": {"name": "source"}},
    "destinations": SPEC["destinations"],
}
SOURCE = {"source": ConfigMapData({"Dockerfile": "FROM busybox\n"})}
PUSH_FAILED = failed(Reason.PUSH_FAILED)
RUN_FAILED = failed(Reason.RUN_FAILED, line=3)


def decide(
    build: ImageBuild,
    *pods: Pod,
    sources: dict[str, ConfigMapData] | None = None,
    owned: tuple[OwnedConfigMap, ...] = (),
    later: float = 0,
    settings: Settings = SETTINGS,
) -> Decision:
    observed = Observed(build=build, pods=pods, config_maps=owned, sources=sources or {})
    return reconcile(observed, settings, NOW + timedelta(seconds=later))


def seen(build: ImageBuild) -> Observed:
    return Observed(build=build, sources={})


def created(decision: Decision, kind: str = "Pod") -> list[dict[str, Any]]:
    return [
        action.manifest
        for action in decision.actions
        if isinstance(action, Create) and action.manifest["kind"] == kind
    ]


def deleted(decision: Decision) -> set[str]:
    return {action.name for action in decision.actions if isinstance(action, Delete)}


def begun(build: ImageBuild | None = None, **how: Any) -> tuple[ImageBuild, dict[str, Any]]:
    """An ImageBuild whose first attempt was just made, and the pod's manifest."""
    build = build or image_build()
    decision = decide(build, **how)
    (manifest,) = created(decision)
    return with_status(build, decision.status), manifest


def attempt(
    manifest: dict[str, Any],
    status: dict[str, Any],
    *,
    number: int = 1,
    retries: int = 0,
    build: ImageBuild | None = None,
    **kwargs: Any,
) -> Pod:
    """A pod made from the first attempt's manifest, as another attempt."""
    resource = pod_resource(manifest, status, **kwargs)
    metadata = resource["metadata"]
    metadata["name"] = metadata["name"].rpartition("-")[0] + f"-{number}"
    metadata["annotations"]["yadokari.dev/retries"] = str(retries)
    found = parse_pod(resource, knowing(build or image_build(), resource))
    assert found is not None
    return found


def finished() -> tuple[ImageBuild, Pod]:
    build, manifest = begun()
    pod = attempt(manifest, resources.built())
    return with_status(build, decide(build, pod).status), pod


def broken(status: dict[str, Any] = RUN_FAILED) -> tuple[ImageBuild, Pod]:
    build, manifest = begun()
    pod = attempt(manifest, status)
    build = with_status(build, decide(build, pod).status)
    assert build.status.phase == "Failed"
    return build, pod


def changed(build: ImageBuild, **spec: Any) -> ImageBuild:
    """With other fields, of which `None` goes away."""
    made = {name: value for name, value in (dict(build.spec) | spec).items() if value is not None}
    return image_build(made, build.status, generation=build.generation + 1)


def digest(status: Status) -> str | None:
    return status.output.digest if status.output else None


def image(status: Status) -> str | None:
    return status.output.image if status.output else None


def of_run(status: Status, **changes: Any) -> Status:
    return replace(status, run=replace(status.run, **changes))


def reason(decision: Decision) -> str:
    return decision.status.conditions[0].reason


def test_a_new_build_gets_its_dockerfile_and_a_pod_in_this_order() -> None:
    decision = decide(image_build())
    kinds = [action.manifest["kind"] for action in decision.actions if isinstance(action, Create)]
    assert kinds == ["ConfigMap", "Pod"]
    assert created(decision, "ConfigMap")[0]["data"]["Dockerfile"] == SPEC["dockerfile"]
    assert (decision.status.phase, decision.status.run.attempt) == ("Pending", 1)
    assert decision.status.run.pod == created(decision)[0]["metadata"]["name"]


def test_the_dockerfile_of_a_config_map_is_copied() -> None:
    decision = decide(image_build(FROM_CONFIG_MAP), sources=SOURCE)
    assert created(decision, "ConfigMap")[0]["data"]["Dockerfile"] == "FROM busybox\n"


def test_a_context_is_copied_beside_it() -> None:
    build = image_build(SPEC | {"context": {"configMap": {"name": "files"}}})
    decision = decide(build, sources={"files": ConfigMapData({"a": "1"})})
    assert [made["data"] for made in created(decision, "ConfigMap")][1] == {"a": "1"}


def test_a_missing_source_is_waited_for_without_looking_again() -> None:
    decision = decide(image_build(FROM_CONFIG_MAP))
    assert decision.actions == ()
    assert (decision.status.phase, reason(decision)) == ("Pending", "ConfigMapNotFound")
    assert decision.look_again is None


def test_an_invalid_spec_is_stalled_says_where_and_does_nothing() -> None:
    decision = decide(image_build({"dockerfile": "FROM a\n", "destinations": [{"image": "A"}]}))
    assert decision.actions == ()
    assert (decision.status.phase, reason(decision)) == ("Failed", "InvalidSpec")
    assert "spec.destinations.0.image" in decision.status.message
    assert decision.look_again is None


def test_a_field_of_a_later_version_is_named_with_what_to_do() -> None:
    message = decide(image_build({**SPEC, "later": True})).status.message
    assert message.startswith("spec.later: this operator knows no such field")
    assert "upgrade the operator" in message


def test_an_invalid_spec_is_reported_once() -> None:
    build = image_build({"destinations": []})
    status = decide(build).status
    again = decide(with_status(build, status))
    assert (again.status, again.events) == (status, ())


def test_a_spec_that_was_invalid_is_built_once_it_is_right() -> None:
    wrong = image_build({"destinations": []})
    right = image_build(SPEC, decide(wrong).status, generation=2)
    assert created(decide(right))


def test_a_running_pod_is_building() -> None:
    build, manifest = begun()
    decision = decide(build, attempt(manifest, RUNNING))
    assert decision.actions == ()
    assert (decision.status.phase, decision.status.run.started_at) == ("Building", time(60))


def test_a_running_build_is_looked_at_again_when_its_time_is_up_and_not_before() -> None:
    build, manifest = begun(image_build(SPEC | {"timeout": "90s"}))
    assert decide(build, attempt(manifest, RUNNING)).look_again == 30 + GRACE.total_seconds()


def test_a_running_pod_whose_node_is_dead_is_given_up_to_the_second() -> None:
    build, manifest = begun(image_build(SPEC | {"timeout": "90s"}))
    pod = attempt(manifest, RUNNING)
    just_before = decide(build, pod, later=59.5)
    assert (just_before.status.phase, just_before.look_again) == ("Building", 0.5)
    then = decide(build, pod, later=60)
    assert (then.status.phase, reason(then)) == ("Failed", "Timeout")
    assert "90s" in then.status.message
    after = decide(with_status(build, then.status), pod, later=60)
    assert deleted(after) == {pod.name}


def test_a_success_is_reported_with_digest_and_duration() -> None:
    build, _ = finished()
    assert (build.status.phase, digest(build.status)) == ("Succeeded", resources.DIGEST)
    assert (image(build.status), build.status.run.duration) == (resources.IMAGE, "55s")


def test_a_failure_of_the_build_itself_is_not_tried_again() -> None:
    build, manifest = begun()
    decision = decide(build, attempt(manifest, RUN_FAILED))
    assert decision.actions == ()
    assert decision.status.phase == "Failed"
    assert decision.status.failure is not None
    assert decision.status.failure.line == 3


def test_a_finished_build_stays_so_without_its_pod() -> None:
    build, _ = finished()
    decision = decide(build)
    assert (decision.actions, decision.status, decision.events) == ((), build.status, ())


@pytest.mark.parametrize(
    "change",
    [
        {"timeout": "1h", "buildArgs": {}},
        {"timeout": "2h"},
        {"executor": {"resources": {"limits": {"memory": "2Gi"}}}},
        {"podRetention": {"succeeded": "1h"}},
    ],
)
def test_a_change_that_does_not_make_the_image_builds_nothing(change: dict[str, Any]) -> None:
    build, pod = finished()
    same = changed(build, **change)
    decision = decide(same, pod)
    assert decision.actions == ()
    assert digest(decision.status) == digest(build.status)
    assert decision.status.observed_generation == same.generation


def test_another_order_of_destinations_shows_and_builds_nothing() -> None:
    build = image_build(SPEC | {"destinations": [{"image": "a"}, {"image": "b"}]})
    build, manifest = begun(build)
    pod = attempt(manifest, resources.built())
    build = with_status(build, decide(build, pod).status)
    turned = decide(changed(build, destinations=[{"image": "b"}, {"image": "a"}]), pod)
    assert (turned.actions, image(turned.status)) == ((), "b")


@pytest.mark.parametrize(
    "change", [{"timeout": "2h"}, {"executor": {"resources": {"limits": {"memory": "2Gi"}}}}]
)
def test_any_change_of_the_spec_after_a_failure_builds_anew(change: dict[str, Any]) -> None:
    build, pod = broken()
    assert decide(build, pod).actions == ()
    mended = changed(build, **change)
    decision = decide(mended, pod)
    (made,) = created(decision)
    assert made["metadata"]["name"] != pod.name
    assert (decision.status.phase, decision.status.run.attempt) == ("Pending", 1)
    again = decide(with_status(mended, decision.status), attempt(made, RUNNING), pod)
    assert (again.actions, again.status.phase) == ((), "Building")


def test_a_spec_that_changes_while_an_attempt_fails_gets_another_attempt() -> None:
    build, manifest = begun(image_build(SPEC | {"timeout": "90s"}))
    pod = attempt(manifest, RUN_FAILED)
    raised = changed(build, timeout="2h")
    decision = decide(raised, pod)
    (made,) = created(decision)
    assert made["spec"]["activeDeadlineSeconds"] == 7200
    assert decision.status.run.attempt == 2
    again = decide(with_status(raised, decision.status), pod, attempt(made, RUN_FAILED, number=2))
    assert (created(again), again.status.phase) == ([], "Failed")


def test_who_asks_for_it_gets_a_new_build_once() -> None:
    build, pod = finished()
    asked = image_build(status=build.status, rebuild="2026-01-02")
    decision = decide(asked, pod)
    (made,) = created(decision)
    assert made["metadata"]["name"] != pod.name
    assert decision.status.rebuild_requested_at == "2026-01-02"
    again = attempt(made, resources.built())
    done = with_status(asked, decide(with_status(asked, decision.status), again, pod).status)
    assert done.status.phase == "Succeeded"
    assert created(decide(done, again)) == []
    assert created(decide(image_build(status=done.status), again)) == []
    assert created(decide(image_build(status=done.status, rebuild="2026-01-03"), again))


def test_a_request_whose_fulfilment_an_old_crd_does_not_store_is_followed_once() -> None:
    asked = image_build(rebuild="now")
    build, manifest = begun(asked)
    pod = attempt(manifest, resources.built())
    done = replace(decide(build, pod).status, rebuild_requested_at="")
    assert decide(with_status(asked, done), pod).actions == ()


def test_who_asks_for_it_after_a_failure_gets_a_new_build() -> None:
    build, pod = broken(failed(Reason.UNAUTHORIZED))
    assert created(decide(image_build(status=build.status, rebuild="now"), pod))


def test_who_asks_for_it_during_a_build_ends_that_first() -> None:
    build, manifest = begun()
    pod = attempt(manifest, RUNNING)
    decision = decide(image_build(status=build.status, rebuild="now"), pod)
    assert (deleted(decision), created(decision)) == ({pod.name}, [])


def test_the_last_success_is_told_until_the_next() -> None:
    build, pod = finished()
    last = LastSucceeded(digest=DIGEST, time=time(5), inputs_hash=build.status.inputs_hash)
    assert build.status.last_succeeded == last
    edited = changed(build, target="missing")
    decision = decide(edited, pod)
    assert (digest(decision.status), decision.status.last_succeeded) == (None, last)
    (made,) = created(decision)
    after = decide(with_status(edited, decision.status), attempt(made, RUN_FAILED))
    assert (after.status.phase, after.status.last_succeeded) == ("Failed", last)
    invalid = decide(image_build({"destinations": []}, after.status, generation=9))
    assert invalid.status.last_succeeded == last
    missing = decide(image_build(FROM_CONFIG_MAP, after.status, generation=9))
    assert missing.status.last_succeeded == last


# As the first version wrote it: the hash is over more, and names the run.
FIRST: dict[str, Any] = {
    "observedGeneration": 1,
    "phase": "Succeeded",
    "digest": DIGEST,
    "completionTime": time(5),
    "startTime": time(60),
    "attempt": 1,
    "podName": "app-dc6334dfb4-1",
    "inputsHash": "dc6334dfb4abfc499c51c0429f87724776d58fb89bf7dedac048a3b10b701f68",
}
# As the one before this wrote it.
SECOND: dict[str, Any] = {
    "observedGeneration": 1,
    "phase": "Succeeded",
    "message": "built",
    "image": resources.IMAGE,
    "digest": DIGEST,
    "startTime": time(60),
    "completionTime": time(5),
    "duration": "55s",
    "podName": "app-0000000000-1",
    "attempt": 1,
    "retries": 0,
    "inputsHash": "0f921a35d82d45269944b48cfc6356f66fee7b524702f10a29241b2b48f0b2a1",
    "rebuildRequestedAt": "",
    "lastSucceeded": {
        "digest": DIGEST,
        "time": time(5),
        "inputsHash": "0f921a35d82d45269944b48cfc6356f66fee7b524702f10a29241b2b48f0b2a1",
    },
}
# What a server that has the present CRD leaves of it.
_LEFT = ("observedGeneration", "phase", "message", "inputsHash", "rebuildRequestedAt", "lastSucceeded")
PRUNED = {name: SECOND[name] for name in _LEFT}
FIRST_PRUNED = {name: FIRST[name] for name in _LEFT if name in FIRST} | {
    "message": f"{resources.IMAGE} was built and pushed with digest {DIGEST}",
    "conditions": [
        {
            "type": "Succeeded",
            "observedGeneration": 1,
            "status": "True",
            "reason": "Succeeded",
            "message": "",
            "lastTransitionTime": time(5),
        }
    ],
}


def of_former(status: dict[str, Any], **changes: Any) -> ImageBuild:
    return image_build(status=parse_status(status | changes))


@pytest.mark.parametrize("former", [FIRST, SECOND, PRUNED, FIRST_PRUNED])
def test_an_upgrade_builds_nothing_anew(former: dict[str, Any]) -> None:
    build = of_former(former)
    decision = decide(build)
    assert (decision.actions, decision.events) == ((), ())
    status = decision.status
    assert status.phase == "Succeeded"
    assert status.output == Output.at([resources.IMAGE], DIGEST)
    assert status.last_succeeded is not None
    assert decide(with_status(build, status)).status == status
    assert created(decide(changed(with_status(build, status), target="final")))


def test_an_upgrade_leaves_a_failed_build_stalled() -> None:
    failure = {"reason": "RunFailed", "message": "exit code 7", "line": 3}
    build = of_former({**PRUNED, "phase": "Failed", "failure": failure})
    decision = decide(build)
    assert (decision.actions, decision.events, decision.status.phase) == ((), (), "Failed")
    assert decision.status.failure is not None
    assert decision.status.failure.line == 3


@pytest.mark.parametrize("former", [FIRST, SECOND, PRUNED])
def test_an_upgrade_goes_on_with_the_pod_that_runs(former: dict[str, Any]) -> None:
    manifest = begun()[1]
    name = former.get("podName", "app-0000000000-1")
    manifest["metadata"]["name"] = name
    build = of_former({name: value for name, value in former.items() if name != "digest"}, phase="Building")
    decision = decide(build, attempt(manifest, RUNNING))
    assert (decision.actions, decision.status.phase, decision.status.run.attempt) == ((), "Building", 1)
    assert decision.status.run.pod == name


def test_a_dockerfile_that_moves_into_a_config_map_builds_nothing() -> None:
    build, pod = finished()
    moved = image_build(FROM_CONFIG_MAP, build.status, generation=2)
    assert decide(moved, pod, sources=SOURCE).actions == ()


def test_another_executor_image_of_the_operator_builds_nothing() -> None:
    build, pod = finished()
    observed = Observed(build=build, pods=(pod,), sources={})
    decision = reconcile(observed, Settings(executor_image="newer:2"), NOW)
    assert (decision.actions, decision.status) == ((), build.status)


def test_a_change_of_what_makes_the_image_builds_anew_and_keeps_the_last_log() -> None:
    build, pod = finished()
    decision = decide(changed(build, target="final"), pod)
    assert created(decision)[0]["metadata"]["name"] != pod.name
    assert deleted(decision) == set()
    assert (decision.status.phase, decision.status.run.attempt, digest(decision.status)) == (
        "Pending",
        1,
        None,
    )


def test_what_a_build_needed_goes_when_its_end_is_written() -> None:
    build = image_build()
    first = decide(build)
    owned = tuple(map(owned_config_map, created(first, "ConfigMap")))
    building = with_status(build, first.status)
    pod = attempt(created(first)[0], resources.built())
    ended = decide(building, pod, owned=owned)
    assert ended.actions == ()
    after = decide(with_status(building, ended.status), pod, owned=owned)
    assert deleted(after) == {owned[0].name}
    assert after.look_again == 595
    last = decide(with_status(building, ended.status), pod, later=595)
    assert (deleted(last), last.look_again, last.status) == ({pod.name}, None, ended.status)


def test_a_change_of_a_config_maps_contents_builds_anew() -> None:
    build, manifest = begun_from_config_map()
    pod = attempt(manifest, resources.built())
    done = with_status(build, decide(build, pod, sources=SOURCE).status)
    assert decide(done, pod, sources=SOURCE).actions == ()
    assert created(decide(done, pod, sources={"source": ConfigMapData({"Dockerfile": "FROM debian\n"})}))


def begun_from_config_map() -> tuple[ImageBuild, dict[str, Any]]:
    build = image_build(FROM_CONFIG_MAP)
    decision = decide(build, sources=SOURCE)
    return with_status(build, decision.status), created(decision)[0]


def test_a_source_that_goes_after_the_end_changes_nothing() -> None:
    build, manifest = begun_from_config_map()
    pod = attempt(manifest, resources.built())
    done = with_status(build, decide(build, pod, sources=SOURCE).status)
    decision = decide(done, pod)
    assert (decision.actions, decision.status) == ((), done.status)


def test_a_source_that_goes_during_the_build_ends_it() -> None:
    build, manifest = begun_from_config_map()
    pod = attempt(manifest, RUNNING)
    decision = decide(build, pod)
    assert deleted(decision) == {pod.name}
    assert reason(decision) == "ConfigMapNotFound"


def test_a_build_waits_until_the_pod_of_the_one_before_has_ended() -> None:
    build, manifest = begun()
    running = attempt(manifest, RUNNING)
    new = changed(build, target="final")
    decision = decide(new, running)
    assert deleted(decision) >= {running.name}
    assert not created(decision)
    waiting_for_it = with_status(new, decision.status)
    going = attempt(manifest, RUNNING, deleted=time(-10))
    held_up = decide(waiting_for_it, going)
    assert (held_up.actions, held_up.look_again) == ((), 10 + GRACE.total_seconds())
    assert created(decide(waiting_for_it))


@pytest.mark.parametrize("standing", [Standing.EARLIER, Standing.LEFT])
def test_a_recreated_image_build_waits_for_the_pod_of_the_earlier_one(standing: Standing) -> None:
    pod = replace(attempt(begun()[1], RUNNING), standing=standing)
    recreated = image_build(uid="u2")
    decision = decide(recreated, pod)
    assert created(decision) == []
    assert deleted(decision) == ({pod.name} if standing is Standing.LEFT else set())
    (made,) = created(decide(recreated))
    assert made["metadata"]["name"] != pod.name


def test_a_build_that_runs_already_waits_for_no_other_pod() -> None:
    build, manifest = begun()
    left = replace(attempt(manifest, RUNNING, number=9), standing=Standing.LEFT)
    decision = decide(build, attempt(manifest, RUNNING), left)
    assert (decision.status.phase, deleted(decision)) == ("Building", {left.name})


def test_a_recreated_image_build_is_not_hindered_by_what_has_ended() -> None:
    pods = [
        replace(attempt(begun()[1], resources.built()), standing=standing)
        for standing in (Standing.EARLIER, Standing.LEFT)
    ]
    decision = decide(image_build(uid="u2"), *pods)
    assert created(decision)
    assert deleted(decision) == {pods[1].name}


def test_a_build_does_not_wait_for_a_pod_that_never_goes() -> None:
    build, manifest = begun()
    lost = attempt(manifest, RUNNING, deleted=time(60))
    assert created(decide(changed(build, target="final"), lost))


def test_a_push_that_fails_is_tried_again_after_a_while() -> None:
    build, manifest = begun()
    soon = decide(build, attempt(manifest, failed(Reason.PUSH_FAILED, before=4)))
    assert (soon.status.phase, soon.actions, soon.look_again) == ("Retrying", (), 6.0)
    due = decide(build, attempt(manifest, failed(Reason.PUSH_FAILED, before=10)))
    (made,) = created(due)
    assert made["metadata"]["labels"]["yadokari.dev/attempt"] == "2"
    assert made["metadata"]["annotations"]["yadokari.dev/retries"] == "1"
    assert (due.status.run.attempt, due.status.run.retries) == (2, 1)


def test_retries_come_to_an_end() -> None:
    build, manifest = begun()
    last = attempt(manifest, PUSH_FAILED, number=DEFAULT_RETRIES + 1, retries=DEFAULT_RETRIES)
    assert decide(build, last).status.phase == "Failed"


def test_a_pod_taken_away_does_not_count() -> None:
    build, manifest = begun()
    pod = attempt(manifest, taken_away("Evicted", before=3600), number=9, retries=DEFAULT_RETRIES)
    (made,) = created(decide(build, pod))
    assert made["metadata"]["annotations"]["yadokari.dev/retries"] == str(DEFAULT_RETRIES)


def test_of_earlier_attempts_only_the_last_keeps_its_log() -> None:
    build, manifest = begun()
    pods = [
        attempt(manifest, failed(Reason.PUSH_FAILED, before=3600), number=number, retries=number - 1)
        for number in (1, 2)
    ]
    assert deleted(decide(with_status(build, of_run(build.status, attempt=2)), *pods)) == {pods[0].name}


def test_a_pod_that_vanished_is_followed_by_another() -> None:
    build, manifest = begun()
    seen = with_status(build, decide(build, attempt(manifest, RUNNING)).status)
    again = decide(seen)
    (made,) = created(again)
    assert made["metadata"]["labels"]["yadokari.dev/attempt"] == "2"
    assert made["metadata"]["annotations"]["yadokari.dev/retries"] == "0"
    assert [(it.warning, it.reason) for it in again.events] == [(True, "Cancelled"), (False, "Scheduling")]
    assert f"pod {manifest['metadata']['name']} is gone" in again.events[0].message
    assert again.status.failure
    assert (again.status.failure.reason, again.status.failure.retryable) == ("Cancelled", True)


def test_a_pod_whose_end_was_told_has_not_vanished() -> None:
    build, manifest = begun()
    going = with_status(build, decide(build, attempt(manifest, RUNNING, deleted=time(-10))).status)
    again = decide(going)
    assert created(again)
    assert [it.reason for it in again.events] == ["Scheduling"]


def test_a_pod_that_vanished_is_not_mistaken_for_the_one_before_it() -> None:
    build, manifest = begun()
    second = of_run(build.status, attempt=2, retries=1)
    before = attempt(manifest, failed(Reason.PUSH_FAILED, before=3600))
    (made,) = created(decide(with_status(build, second), before))
    assert made["metadata"]["labels"]["yadokari.dev/attempt"] == "3"
    assert made["metadata"]["annotations"]["yadokari.dev/retries"] == "1"


def test_a_pod_on_a_lost_node_is_followed_by_another() -> None:
    build, manifest = begun()
    going = decide(build, attempt(manifest, RUNNING, deleted=time(-10)))
    assert (going.actions, going.look_again) == ((), 10 + GRACE.total_seconds())
    assert (going.status.phase, reason(going)) == ("Retrying", "Cancelled")
    assert created(decide(build, attempt(manifest, RUNNING, deleted=time(31))))


def test_a_pod_that_cannot_start_is_reported_and_waited_for() -> None:
    build, manifest = begun()
    decision = decide(
        build, attempt(manifest, waiting("CreateContainerConfigError", 'secret "push" not found'))
    )
    assert decision.actions == ()
    assert (decision.status.phase, reason(decision)) == ("Pending", "SecretNotFound")
    assert 'secret "push" not found' in decision.status.message
    assert [it.reason for it in decision.events] == ["SecretNotFound"]


def test_a_pod_that_no_node_takes_in_time_is_given_up_to_the_second() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    build, manifest = begun()
    pod = attempt(manifest, {"phase": "Pending", "conditions": [condition]}, age=3599)
    before = decide(build, pod)
    assert (reason(before), before.look_again) == ("Unschedulable", 1)
    decision = decide(build, pod, later=1)
    assert (decision.status.phase, reason(decision)) == ("Failed", "Unschedulable")
    assert "0/1 nodes" in decision.status.message
    assert deleted(decide(with_status(build, decision.status), pod, later=1)) == {pod.name}


def test_a_pod_that_a_node_took_may_wait_to_be_scheduled_as_long_again() -> None:
    build, manifest = begun()
    status = waiting("CreateContainerConfigError", 'secret "push" not found') | {"startTime": time(60)}
    pod = attempt(manifest, status, age=3600)
    decision = decide(build, pod)
    assert (reason(decision), decision.look_again) == ("SecretNotFound", 3540 + GRACE.total_seconds())
    late = decide(build, pod, later=3540 + GRACE.total_seconds())
    assert (late.status.phase, reason(late)) == ("Failed", "SecretNotFound")
    assert 'secret "push" not found' in late.status.message


def test_what_the_server_refuses_for_now_is_told_and_asked_for_again_as_the_same_attempt() -> None:
    build = image_build()
    wanted = decide(build)
    told = refused(seen(build), wanted, StateReason.QUOTA_EXCEEDED, "exceeded quota", NOW)
    assert (reason(told), told.status.message, told.look_again) == ("QuotaExceeded", "exceeded quota", 10)
    again = decide(with_status(build, told.status))
    assert created(again) == created(wanted)


def test_what_the_server_refuses_for_long_is_asked_for_less_often() -> None:
    build = image_build()
    told = refused(seen(build), decide(build), StateReason.QUOTA_EXCEEDED, "exceeded quota", NOW)
    build = with_status(build, told.status)
    waits = [
        refused(
            seen(build),
            decide(build),
            StateReason.QUOTA_EXCEEDED,
            "exceeded quota",
            NOW + timedelta(seconds=s),
        ).look_again
        for s in (10, 100, 10**6)
    ]
    assert waits == [10, 25, 300]


def test_what_the_server_refuses_for_good_is_stalled_until_the_spec_changes() -> None:
    build = image_build()
    message = "requests must be less than or equal to cpu limit"
    told = refused(seen(build), decide(build), StateReason.INVALID_SPEC, message, NOW)
    assert (told.status.phase, reason(told), told.look_again) == ("Failed", "InvalidSpec", None)
    assert told.status.message == message
    stalled = with_status(build, told.status)
    assert decide(stalled).actions == ()
    assert created(decide(changed(stalled, timeout="2h")))


def test_a_retry_that_the_server_refuses_does_not_forget_the_attempt_before() -> None:
    build, manifest = begun()
    pod = attempt(manifest, failed(Reason.PUSH_FAILED, before=10))
    told = refused(seen(build), decide(build, pod), StateReason.QUOTA_EXCEEDED, "exceeded quota", NOW)
    assert (told.status.run.attempt, told.status.run.pod) == (1, pod.name)


def test_a_restarted_operator_goes_on_with_the_pod_that_is_there() -> None:
    build, manifest = begun()
    unwritten = image_build()
    decision = decide(unwritten, attempt(manifest, RUNNING))
    assert decision.actions == ()
    assert decision.status == decide(build, attempt(manifest, RUNNING)).status


pod_states = st.one_of(
    st.just(RUNNING),
    st.just(resources.built()),
    st.builds(waiting, st.sampled_from(["", "ContainerCreating", "ErrImagePull"]), st.just("message")),
    st.builds(taken_away, st.sampled_from(["", "Evicted"]), before=st.sampled_from([1.0, 3600.0])),
    st.builds(failed, st.sampled_from(Reason), before=st.sampled_from([1.0, 3600.0])),
    st.builds(ended, st.sampled_from([0, 1, 137]), st.just("the log's end"), before=st.just(1.0)),
)
attempts = st.lists(
    st.tuples(
        pod_states,
        st.integers(0, DEFAULT_RETRIES),
        st.sampled_from(["", time(-10), time(60)]),
        st.sampled_from([10.0, 7200.0]),
    ),
    max_size=3,
)
starts: dict[str, Callable[[], ImageBuild]] = {
    "nothing written": image_build,
    "first attempt made": lambda: begun()[0],
    "finished": lambda: finished()[0],
    "spec changed": lambda: changed(finished()[0], target="final"),
    "suspended": lambda: suspended(begun()[0]),
    "overtaken, which queues": lambda: overtaken("Queue")[0],
    "overtaken, which is forbidden": lambda: overtaken("Forbid")[0],
    "may not wait for long": lambda: changed(begun()[0], pendingTimeout="30s"),
    "may not be tried again": lambda: changed(begun()[0], retries=0),
    "second attempt made": lambda: with_status(image_build(), of_run(begun()[0].status, attempt=2)),
}


@given(st.sampled_from(sorted(starts)), attempts)
def test_what_was_decided_once_is_not_decided_or_told_again(
    start: str, found: list[tuple[dict[str, Any], int, str, float]]
) -> None:
    build = starts[start]()
    manifest = begun()[1]
    pods = [
        attempt(manifest, state, number=number, retries=retries, deleted=gone, age=age)
        for number, (state, retries, gone, age) in enumerate(found, 1)
    ]
    if start.startswith("overtaken"):
        # The end of the build before is told first, then what becomes of the change.
        build = with_status(build, decide(build, *pods).status)
    first = decide(build, *pods)
    assert len(created(first)) <= 1
    assert {name["metadata"]["name"] for name in created(first)}.isdisjoint(pod.name for pod in pods)
    if not created(first):
        left = [pod for pod in pods if pod.name not in deleted(first)]
        second = decide(with_status(build, first.status), *left)
        if not created(second):
            assert (second.status, second.events) == (first.status, ())
            assert (second.actions, second.look_again) == third(build, second, left)


def third(build: ImageBuild, second: Decision, pods: list[Pod]) -> tuple[Any, float | None]:
    """What is decided once more, when all of the second decision is done."""
    left = [pod for pod in pods if pod.name not in deleted(second)]
    decision = decide(with_status(build, second.status), *left)
    return (second.actions if left != pods else decision.actions), decision.look_again


@given(st.sampled_from(sorted(starts)), attempts)
def test_all_conditions_are_always_there_and_agree(
    start: str, found: list[tuple[dict[str, Any], int, str, float]]
) -> None:
    manifest = begun()[1]
    pods = [attempt(manifest, state, number=n) for n, (state, *_) in enumerate(found, 1)]
    status = decide(starts[start](), *pods).status
    truth = {condition.type: condition.status for condition in status.conditions}
    assert set(truth) == {"Ready", "Reconciling", "Stalled", "Succeeded"}
    if status.phase == "Suspended":
        assert (truth["Ready"], truth["Reconciling"], truth["Stalled"]) == ("False", "False", "False")
        return
    assert (truth["Reconciling"] == "True") == (not status.finished)
    assert [truth[kind] for kind in ("Ready", "Stalled", "Reconciling")].count("True") == 1


def test_runs_are_numbered_once_however_often_they_are_looked_at() -> None:
    build = image_build(FROM_CONFIG_MAP)
    for _ in range(3):
        build = with_status(build, decide(build).status)
    assert build.status.run.number == 0
    for _ in range(3):
        build = with_status(build, decide(build, sources=SOURCE).status)
    assert (build.status.run.number, build.status.run.reason) == (1, "Created")


def test_why_a_run_began_is_told() -> None:
    build, pod = finished()
    assert build.status.run.reason == "Created"
    assert decide(changed(build, target="final"), pod).status.run.reason == "InputsChanged"
    asked = image_build(status=build.status, rebuild="now")
    assert decide(asked, pod).status.run.reason == "Requested"
    stalled, pod = broken()
    assert decide(changed(stalled, timeout="2h"), pod).status.run.reason == "SpecChanged"


def test_the_node_of_the_pod_is_told() -> None:
    build, manifest = begun()
    manifest["spec"]["nodeName"] = "node-3"
    assert decide(build, attempt(manifest, RUNNING)).status.run.node == "node-3"


UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({"phase": "Pending", "conditions": [UNSCHEDULABLE]}, "Unschedulable"),
        (waiting("ImagePullBackOff", "no such image") | {"startTime": time(60)}, "ImagePullFailed"),
        (waiting("CreateContainerConfigError", 'secret "push" not found'), "SecretNotFound"),
        (waiting("CreateContainerConfigError", 'configmap "env" not found'), "ConfigMapNotFound"),
        (waiting("ContainerCreating") | {"startTime": time(60)}, "Timeout"),
    ],
)
def test_an_executor_that_does_not_start_in_time_is_given_up_by_what_keeps_it(
    status: dict[str, Any], told: str
) -> None:
    build, manifest = begun(image_build(SPEC | {"pendingTimeout": "90s"}))
    pod = attempt(manifest, status)
    before = decide(build, pod, later=29)
    assert (before.status.phase, before.look_again) == ("Pending", 1)
    decision = decide(build, pod, later=30)
    assert (decision.status.phase, reason(decision)) == ("Failed", told)
    assert "pendingTimeout of 90s" in decision.status.message
    stalled = with_status(build, decision.status)
    assert deleted(decide(stalled, pod, later=30)) == {pod.name}
    assert created(decide(stalled, later=31)) == []


def test_what_runs_is_given_its_whole_time_however_short_it_may_wait() -> None:
    build, manifest = begun(image_build(SPEC | {"pendingTimeout": "1s"}))
    assert decide(build, attempt(manifest, RUNNING), later=600).status.phase == "Building"


@pytest.mark.parametrize("retries", [0, 1, 10])
def test_a_build_is_tried_again_as_often_as_the_spec_says(retries: int) -> None:
    build, manifest = begun(image_build(SPEC | {"retries": retries}))
    last = attempt(manifest, failed(Reason.PUSH_FAILED, before=3600), number=9, retries=retries)
    decision = decide(build, last)
    assert decision.status.phase == "Failed"
    assert decision.status.failure is not None
    assert decision.status.failure.retryable
    if retries:
        before = attempt(manifest, failed(Reason.PUSH_FAILED, before=3600), number=9, retries=retries - 1)
        assert created(decide(build, before))


def suspended(build: ImageBuild, value: bool = True) -> ImageBuild:
    return changed(build, suspend=value)


def test_nothing_is_built_while_it_is_suspended() -> None:
    build = image_build(SPEC | {"suspend": True})
    decision = decide(build)
    assert decision.actions == ()
    assert (decision.status.phase, reason(decision), decision.look_again) == ("Suspended", "Suspended", None)
    assert decide(with_status(build, decision.status)).status == decision.status
    (made,) = created(decide(suspended(with_status(build, decision.status), False)))
    assert made["metadata"]["labels"]["yadokari.dev/attempt"] == "1"


def test_a_build_that_runs_is_ended_by_suspension_and_goes_on_as_another_attempt() -> None:
    build = image_build()
    first = decide(build)
    owned = tuple(map(owned_config_map, created(first, "ConfigMap")))
    pod = attempt(created(first)[0], RUNNING)
    resting = suspended(with_status(build, first.status))
    decision = decide(resting, pod, owned=owned)
    assert deleted(decision) == {pod.name, owned[0].name}
    assert decision.status.phase == "Suspended"
    resumed = suspended(with_status(resting, decision.status), False)
    (made,) = created(decide(resumed))
    assert made["metadata"]["labels"]["yadokari.dev/attempt"] == "2"
    assert decide(resumed).status.run.number == 1


def test_a_build_that_had_just_ended_when_it_was_suspended_is_told_of() -> None:
    build, manifest = begun()
    decision = decide(suspended(build), attempt(manifest, resources.built()))
    assert decision.status.phase == "Succeeded"


@pytest.mark.parametrize("before", [1, 3600])
def test_an_attempt_that_failed_is_not_followed_by_another_while_it_is_suspended(before: float) -> None:
    build, manifest = begun()
    decision = decide(suspended(build), attempt(manifest, failed(Reason.PUSH_FAILED, before=before)))
    assert (created(decision), decision.status.phase) == ([], "Suspended")


def test_suspension_leaves_what_is_built_as_it_is() -> None:
    build, pod = finished()
    decision = decide(suspended(build), pod)
    assert (decision.actions, decision.status.phase) == ((), "Succeeded")
    waits = decide(changed(suspended(build), target="final"), pod)
    assert (created(waits), waits.status.phase) == ([], "Suspended")


def overtaken(policy: str) -> tuple[ImageBuild, dict[str, Any]]:
    """An ImageBuild whose target was changed while its first attempt ran."""
    build, manifest = begun(image_build(SPEC | {"concurrencyPolicy": policy}))
    build = with_status(build, decide(build, attempt(manifest, RUNNING)).status)
    return changed(build, target="final"), manifest


@pytest.mark.parametrize("policy", ["Queue", "Forbid"])
def test_a_build_that_is_not_to_be_replaced_comes_to_its_end(policy: str) -> None:
    build, manifest = overtaken(policy)
    going = decide(build, attempt(manifest, RUNNING))
    assert (going.actions, going.status.phase) == ((), "Building")
    assert "the inputs have changed" in going.status.message
    assert going.status.inputs_hash == build.status.inputs_hash
    going_on = with_status(build, going.status)
    assert decide(going_on, attempt(manifest, RUNNING)).status == going.status
    ended_well = decide(going_on, attempt(manifest, resources.built()))
    assert (ended_well.status.phase, ended_well.look_again) == ("Succeeded", 0)
    assert ended_well.status.last_succeeded is not None
    assert ended_well.status.last_succeeded.inputs_hash == build.status.inputs_hash


def test_what_is_queued_is_built_when_the_build_before_has_ended() -> None:
    build, manifest = overtaken("Queue")
    for state in (resources.built(), RUN_FAILED):
        pod = attempt(manifest, state)
        done = with_status(build, decide(build, pod).status)
        assert done.status.finished
        decision = decide(done, pod)
        assert created(decision)
        assert decision.status.run.number == 2
        assert decision.status.history[0].number == 1


@pytest.mark.parametrize("policy", ["Queue", "Forbid"])
@pytest.mark.parametrize(("state", "retries"), [(PUSH_FAILED, "1"), (taken_away("Evicted"), "0")])
def test_a_build_that_is_not_to_be_replaced_is_tried_again_with_what_it_was_made_of(
    policy: str, state: dict[str, Any], retries: str
) -> None:
    build, manifest = overtaken(policy)
    build = changed(build, executor={"resources": {"limits": {"memory": "2Gi"}}}, pendingTimeout="5m")
    seen_by_server = copy.deepcopy(manifest)
    seen_by_server["spec"]["containers"].append({"name": "proxy", "image": "proxy"})
    seen_by_server["spec"]["containers"][0]["imagePullPolicy"] = "IfNotPresent"
    seen_by_server["spec"]["containers"][0]["volumeMounts"].append({"name": "proxys", "mountPath": "/p"})
    seen_by_server["spec"]["volumes"].append({"name": "proxys", "emptyDir": {}})
    pod = attempt(seen_by_server, state)
    told = decide(build, pod)
    assert (created(told), told.status.phase, told.look_again) == ([], "Retrying", 5)
    told = decide(with_status(build, told.status), pod, later=5)
    (again,) = created(told)
    (container,) = again["spec"]["containers"]
    limits = {"limits": {"memory": "2Gi"}}
    assert container == manifest["spec"]["containers"][0] | {"resources": limits}
    assert again["spec"]["volumes"] == manifest["spec"]["volumes"]
    assert [it["resources"] for it in again["spec"]["initContainers"]] == [limits]
    assert again["metadata"]["name"] == manifest["metadata"]["name"][:-1] + "2"
    assert again["metadata"]["annotations"]["yadokari.dev/retries"] == retries
    assert created(told, "ConfigMap") == []
    assert (told.status.run.attempt, told.status.inputs_hash) == (2, build.status.inputs_hash)
    waits = decide(with_status(build, told.status), pod, attempt(again, waiting(), number=2))
    assert (waits.status.phase, waits.actions) == ("Pending", ())
    assert "the inputs have changed since" in waits.status.message
    second = attempt(again, resources.built(), number=2)
    done = decide(with_status(build, told.status), pod, second)
    assert (done.status.phase, done.status.run.number) == ("Succeeded", 1)


@pytest.mark.parametrize("policy", ["Queue", "Forbid"])
def test_a_build_that_is_not_to_be_replaced_is_not_tried_for_ever(policy: str) -> None:
    build, manifest = overtaken(policy)
    told = decide(build, attempt(manifest, PUSH_FAILED, retries=DEFAULT_RETRIES))
    assert (created(told), told.status.phase) == ([], "Failed")


@pytest.mark.parametrize("policy", ["Queue", "Forbid"])
def test_a_build_that_vanished_keeps_nothing_waiting(policy: str) -> None:
    build, _ = overtaken(policy)
    assert created(decide(build))


def test_a_change_that_is_forbidden_stays_unbuilt_until_it_is_asked_for() -> None:
    build, manifest = overtaken("Forbid")
    build = with_status(build, decide(build, attempt(manifest, RUNNING)).status)
    pod = attempt(manifest, resources.built())
    done = with_status(build, decide(build, pod).status)
    refusal = decide(done, pod)
    assert (created(refusal), reason(refusal)) == ([], "ChangeForbidden")
    truth = {condition.type: condition.status for condition in refusal.status.conditions}
    assert (truth["Ready"], truth["Stalled"], truth["Reconciling"]) == ("False", "True", "False")
    assert digest(refusal.status) == DIGEST
    stalled = with_status(done, refusal.status)
    assert decide(stalled, pod).status == refusal.status
    asked = image_build(dict(stalled.spec), stalled.status, generation=stalled.generation, rebuild="now")
    assert created(decide(asked, pod))
    assert created(decide(changed(stalled, target="another"), pod))
    taken_back = decide(changed(stalled, target=None), pod).status
    assert (taken_back.reason, taken_back.conditions[0].status) == ("UpToDate", "True")


def test_suspension_ends_a_build_that_others_wait_for() -> None:
    build, manifest = overtaken("Queue")
    pod = attempt(manifest, RUNNING)
    assert deleted(decide(suspended(build), pod)) == {pod.name}


def test_a_build_whose_turn_it_is_not_waits_and_tells_its_place() -> None:
    build = image_build()
    wanted = decide(build)
    assert wanted.begins == ""
    told = held(seen(build), wanted, Place(position=2, of=5, running=10), NOW)
    assert (told.actions, told.status.phase, reason(told)) == ((), "Pending", "Queued")
    assert "number 2 of 5 in the queue, while 10 builds run" in told.status.message
    assert (told.look_again, [it.reason for it in told.events]) == (30, ["Queued"])
    waits = with_status(build, told.status)
    assert created(decide(waits)) == created(wanted)
    assert decide(waits).unacted.run.queued_at == time(0)


def test_what_is_to_go_goes_while_a_build_waits_for_its_turn() -> None:
    build, pod = finished()
    other = changed(build, target="final", historyLimit=0)
    told = held(seen(other), decide(other, pod), Place(position=1, of=1, running=1), NOW)
    assert deleted(told) == {pod.name}


def task(spec: dict[str, Any], status: Status | None = None) -> BuildSpec:
    """What the executor of the next attempt is asked to do."""
    (manifest,) = created(decide(image_build(spec, status)))
    return parse_arguments(manifest["spec"]["containers"][0]["args"])


def mounted(volume: dict[str, Any]) -> dict[str, Any]:
    """An executor with a volume that its steps see."""
    return {"volumes": [{"name": "v"} | volume], "volumeMounts": [{"name": "v", "mountPath": "/mnt"}]}


COMMIT = {"url": "https://git.test/app", "ref": "a" * 40}


@pytest.mark.parametrize(
    ("changes", "looks"),
    [
        ({}, True),
        ({"context": {"git": COMMIT}}, True),
        ({"context": {"oci": {"image": f"registry.test/context@{DIGEST}"}}}, True),
        ({"context": {"http": {"url": "https://web.test/a.tar", "sha256": "0" * 64}}}, True),
        ({"context": {"http": {"url": "https://web.test/a.tar"}}}, False),
        ({"context": {"git": {**COMMIT, "ref": "main"}}}, False),
        ({"context": {"oci": {"image": "registry.test/context:1"}}}, False),
        ({"context": {"persistentVolumeClaim": {"claimName": "sources"}}}, False),
        ({"buildArgsFrom": [{"secretRef": {"name": "versions"}}]}, False),
        ({"executor": mounted({"emptyDir": {}})}, True),
        ({"executor": mounted({"configMap": {"name": "files"}})}, False),
        ({"executor": mounted({"persistentVolumeClaim": {"claimName": "files"}})}, False),
    ],
)
def test_a_first_build_looks_for_its_image_where_the_hash_tells_all(
    changes: dict[str, Any], looks: bool
) -> None:
    first = task({**SPEC, **changes})
    assert (first.unless_pushed, bool(first.inputs_hash)) == (looks, True)
    assert not task({**SPEC, **changes}, Status(run=RunStatus(number=1))).unless_pushed


def test_an_image_whose_time_is_given_has_no_mark() -> None:
    for timestamp in ("Zero", 0, 1700000000):
        asked = task({**SPEC, "output": {"timestamp": timestamp}})
        assert (asked.inputs_hash, asked.unless_pushed) == ("", False)


def test_an_image_that_was_there_already_is_a_success_of_that_reason() -> None:
    build, manifest = begun()
    result = format_result(BuildResult(digest=DIGEST, images=(IMAGE,), already_pushed=True))
    status = decide(build, attempt(manifest, ended(0, result))).status
    assert (status.phase, status.reason) == ("Succeeded", "AlreadyPushed")
    assert status.output
    assert status.output.digest == DIGEST


def gated(manifest: dict[str, Any], *, admitted: bool = False) -> dict[str, Any]:
    """A pod that Kueue's webhook held back when it was made, and that it may have let go since."""
    held_back = copy.deepcopy(manifest)
    held_back["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = "builds"
    if not admitted:
        held_back["spec"]["schedulingGates"] = [{"name": "kueue.x-k8s.io/admission"}]
    return held_back


WEEK = 7 * 24 * 3600
GATED = {
    "phase": "Pending",
    "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "held"}
    ],
}


def test_a_pod_that_a_queue_holds_back_is_queued_for_however_long() -> None:
    build, manifest = begun(image_build(SPEC | {"pendingTimeout": "1m"}))
    told = decide(build, attempt(gated(manifest), GATED, age=WEEK))
    assert (told.status.phase, reason(told)) == ("Pending", "Queued")
    assert "waits for kueue.x-k8s.io/admission to let it go" in told.status.message
    assert (told.actions, told.look_again) == ((), None)
    conditions = {condition.type: condition.status for condition in told.status.conditions}
    assert (conditions["Ready"], conditions["Reconciling"]) == ("Unknown", "True")


def test_time_counts_from_when_a_node_takes_a_pod_that_a_queue_has_let_go() -> None:
    build, manifest = begun(image_build(SPEC | {"pendingTimeout": "1m"}))
    free = gated(manifest, admitted=True)
    told = decide(build, attempt(free, GATED, age=WEEK))
    assert (told.status.phase, reason(told)) == ("Pending", "Scheduling")
    starting = waiting("ImagePullBackOff") | {"startTime": time(30)}
    told = decide(build, attempt(free, starting, age=WEEK))
    assert (reason(told), told.look_again) == ("ImagePullFailed", 30)
    assert decide(build, attempt(free, starting, age=WEEK), later=31).status.phase == "Failed"


def test_a_build_that_a_queue_sends_away_comes_again_uncounted() -> None:
    build, manifest = begun()
    stopped = ended(Reason.CANCELLED.exit_code, before=20)
    sent_away = attempt(gated(manifest, admitted=True), stopped, deleted=time(25))
    (again,) = created(decide(build, sent_away))
    assert again["metadata"]["annotations"]["yadokari.dev/retries"] == "0"
    assert again["metadata"]["name"].endswith("-2")


@pytest.mark.parametrize("policy", ["Queue", "Forbid"])
def test_a_pod_that_a_queue_holds_back_is_not_replaced_where_it_is_not_to_be(policy: str) -> None:
    build, manifest = overtaken(policy)
    told = decide(build, attempt(gated(manifest), GATED, age=WEEK))
    assert (told.actions, reason(told)) == ((), "Queued")
    assert "the inputs have changed" in told.status.message


BY_IMAGE_VOLUME = Settings(executor_runtime="ImageVolume")
UNMOUNTED = waiting("CreateContainerError", "failed to mount image volume: ImageVolumeMountFailed: no folder")
NOT_STARTED = ended(128, 'exec: "/yadokari/bin/executor": no such file or directory', reason="StartError")
MOUNTING = waiting("ContainerCreating") | {
    "startTime": time(60),
    "conditions": [{"type": "PodReadyToStartContainers", "status": "False"}],
}


def with_image_volume(status: dict[str, Any]) -> tuple[ImageBuild, Pod]:
    build, manifest = begun(settings=BY_IMAGE_VOLUME)
    return build, attempt(manifest, status)


@pytest.mark.parametrize(("status", "later"), [(UNMOUNTED, 0), (NOT_STARTED, 0), (MOUNTING, 60)])
def test_a_pod_whose_image_volume_cannot_be_had_is_followed_at_once_by_one_with_an_init_container(
    status: dict[str, Any], later: float
) -> None:
    build, pod = with_image_volume(status)
    # The settings are by now those of a cluster that is known to have none.
    decision = decide(build, pod, later=later)
    (second,) = created(decision)
    assert second["metadata"]["name"] == pod.name.removesuffix("1") + "2"
    assert [container["name"] for container in second["spec"]["initContainers"]] == ["runtime"]
    assert deleted(decision) == {pod.name}
    assert second["metadata"]["annotations"]["yadokari.dev/retries"] == "0"


def test_a_pod_that_is_to_have_an_image_volume_is_not_followed_by_another() -> None:
    build, pod = with_image_volume(UNMOUNTED)
    decision = decide(build, pod, settings=BY_IMAGE_VOLUME)
    assert decision.actions == ()
    assert "ImageVolumeMountFailed" in decision.status.message
    assert "set executor.runtime: InitContainer" in decision.status.message


def test_volumes_that_take_long_to_mount_are_waited_for_and_then_told_of() -> None:
    build, pod = with_image_volume(MOUNTING)
    early = decide(build, pod)
    assert early.actions == ()
    assert early.look_again == 60
    late = decide(build, pod, later=60, settings=BY_IMAGE_VOLUME)
    assert late.actions == ()
    assert "no volume of it is mounted after 120 s" in late.status.message
    assert "InitContainer" in late.status.message


def test_a_pod_that_goes_before_it_has_started_tells_nothing_of_its_volumes() -> None:
    """Its containers can no longer start, and what it waited for may have been a Secret."""
    _, manifest = begun(settings=BY_IMAGE_VOLUME)
    assert attempt(manifest, MOUNTING).lacks_runtime(NOW + timedelta(hours=1))
    assert not attempt(manifest, MOUNTING, deleted=time(0)).lacks_runtime(NOW + timedelta(hours=1))


def test_volumes_of_a_pod_with_an_init_container_may_take_long() -> None:
    build, manifest = begun()
    late = decide(build, attempt(manifest, MOUNTING), later=3000)
    assert late.actions == ()
    assert "about to start" in late.status.message
