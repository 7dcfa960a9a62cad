from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import resources
from support.resources import (
    NOW,
    RUNNING,
    SPEC,
    failed,
    image_build,
    pod_resource,
    taken_away,
    time,
    waiting,
    with_status,
)
from yadokari_api.imagebuild import ImageBuild
from yadokari_api.status import Status
from yadokari_contract.exitcodes import ExitCode
from yadokari_operator.pods.observed import Pod, parse_pod
from yadokari_operator.pods.render import ConfigMapData
from yadokari_operator.reconcile import (
    MAX_RETRIES,
    Create,
    Decision,
    DeleteConfigMap,
    DeletePod,
    Observed,
    reconcile,
    rejected,
)
from yadokari_operator.settings import Settings

SETTINGS = Settings()
FROM_CONFIG_MAP = {
    "dockerfileFrom": {"configMapKeyRef": {"name": "source"}},
    "destinations": SPEC["destinations"],
}
SOURCE = {"source": ConfigMapData({"Dockerfile": "FROM busybox\n"})}
PUSH_FAILED = failed(ExitCode.PUSH, "PushFailed")


def decide(build: ImageBuild, *pods: Pod, maps: dict[str, ConfigMapData] | None = None) -> Decision:
    return reconcile(Observed(build, pods, maps or {}), SETTINGS, NOW)


def created(decision: Decision, kind: str = "Pod") -> list[dict[str, Any]]:
    return [
        action.manifest
        for action in decision.actions
        if isinstance(action, Create) and action.manifest["kind"] == kind
    ]


def deleted(decision: Decision) -> set[str]:
    return {action.name for action in decision.actions if isinstance(action, DeletePod | DeleteConfigMap)}


def begun(build: ImageBuild | None = None) -> tuple[ImageBuild, dict[str, Any]]:
    """An ImageBuild whose first attempt was just made, and the pod's manifest."""
    build = build or image_build()
    decision = decide(build)
    (manifest,) = created(decision)
    return with_status(build, decision.status), manifest


def attempt(
    manifest: dict[str, Any], status: dict[str, Any], *, number: int = 1, retries: int = 0, **kwargs: Any
) -> Pod:
    """A pod made from the first attempt's manifest, as another attempt."""
    resource = pod_resource(manifest, status, **kwargs)
    metadata = resource["metadata"]
    metadata["name"] = metadata["name"].removesuffix("-1") + f"-{number}"
    metadata["labels"]["yadokari.dev/attempt"] = str(number)
    metadata["annotations"]["yadokari.dev/retries"] = str(retries)
    return parse_pod(resource)


def finished() -> tuple[ImageBuild, Pod]:
    build, manifest = begun()
    pod = attempt(manifest, resources.built())
    return with_status(build, decide(build, pod).status), pod


def changed(build: ImageBuild, **spec: Any) -> ImageBuild:
    return image_build(dict(build.spec) | spec, build.status, generation=build.generation + 1)


def test_a_new_build_gets_its_dockerfile_and_a_pod_in_this_order() -> None:
    decision = decide(image_build())
    kinds = [action.manifest["kind"] for action in decision.actions if isinstance(action, Create)]
    assert kinds == ["ConfigMap", "Pod"]
    assert created(decision, "ConfigMap")[0]["data"]["Dockerfile"] == SPEC["dockerfile"]
    assert (decision.status.phase, decision.status.attempt) == ("Pending", 1)
    assert decision.status.pod_name == created(decision)[0]["metadata"]["name"]
    assert decision.look_again is not None


def test_the_dockerfile_of_a_config_map_is_copied() -> None:
    decision = decide(image_build(FROM_CONFIG_MAP), maps=SOURCE)
    assert created(decision, "ConfigMap")[0]["data"]["Dockerfile"] == "FROM busybox\n"


def test_a_context_is_copied_beside_it() -> None:
    build = image_build(SPEC | {"context": {"configMap": {"name": "files"}}})
    decision = decide(build, maps={"files": ConfigMapData({"a": "1"})})
    assert [made["data"] for made in created(decision, "ConfigMap")][1] == {"a": "1"}


@pytest.mark.parametrize(
    ("spec", "maps", "reason", "word"),
    [
        (FROM_CONFIG_MAP, {}, "DockerfileNotFound", "source"),
        (FROM_CONFIG_MAP, {"source": ConfigMapData({"dockerfile": ""})}, "DockerfileNotFound", "dockerfile"),
        (SPEC | {"context": {"configMap": {"name": "files"}}}, {}, "ContextNotFound", "files"),
    ],
)
def test_a_missing_source_is_waited_for(
    spec: dict[str, Any], maps: dict[str, ConfigMapData], reason: str, word: str
) -> None:
    decision = decide(image_build(spec), maps=maps)
    assert decision.actions == ()
    assert (decision.status.phase, decision.status.conditions[0].reason) == ("Pending", reason)
    assert word in decision.status.message
    assert decision.look_again is not None


def test_an_invalid_spec_is_stalled_says_where_and_does_nothing() -> None:
    decision = decide(image_build({"dockerfile": "FROM a\n", "destinations": [{"image": "A"}]}))
    assert decision.actions == ()
    assert (decision.status.phase, decision.status.conditions[0].reason) == ("Failed", "InvalidSpec")
    assert "spec.destinations.0.image" in decision.status.message
    assert decision.look_again is None


def test_an_invalid_spec_is_reported_once() -> None:
    build = image_build({"destinations": []})
    status = decide(build).status
    again = decide(with_status(build, status))
    assert (again.status, again.event) == (status, None)


def test_a_spec_that_was_invalid_is_built_once_it_is_right() -> None:
    wrong = image_build({"destinations": []})
    right = image_build(SPEC, decide(wrong).status, generation=2)
    assert created(decide(right))


def test_a_running_pod_is_building() -> None:
    build, manifest = begun()
    decision = decide(build, attempt(manifest, RUNNING))
    assert decision.actions == ()
    assert (decision.status.phase, decision.status.start_time) == ("Building", time(60))


def test_a_success_is_reported_with_digest_and_duration() -> None:
    build, _ = finished()
    assert (build.status.phase, build.status.digest) == ("Succeeded", resources.DIGEST)
    assert (build.status.image, build.status.duration) == (resources.IMAGE, "55s")


def test_a_failure_of_the_build_itself_is_not_tried_again() -> None:
    build, manifest = begun()
    decision = decide(build, attempt(manifest, failed(ExitCode.RUN_FAILED, "RunFailed", line=3)))
    assert decision.actions == ()
    assert (decision.status.phase, decision.look_again) == ("Failed", None)
    assert decision.status.failure is not None
    assert decision.status.failure.line == 3


def test_a_finished_build_stays_so_without_its_pod() -> None:
    build, _ = finished()
    decision = decide(build)
    assert (decision.actions, decision.status, decision.event) == ((), build.status, None)


def test_a_change_that_is_none_builds_nothing() -> None:
    build, pod = finished()
    same = changed(build, timeout="1h", buildArgs={})
    decision = decide(same, pod)
    assert decision.actions == ()
    assert decision.status.digest == build.status.digest
    assert decision.status.observed_generation == same.generation


def test_a_dockerfile_that_moves_into_a_config_map_builds_nothing() -> None:
    build, pod = finished()
    moved = image_build(FROM_CONFIG_MAP, build.status, generation=2)
    assert decide(moved, pod, maps=SOURCE).actions == ()


def test_another_executor_image_of_the_operator_builds_nothing() -> None:
    build, pod = finished()
    decision = reconcile(Observed(build, (pod,), {}), Settings(executor_image="newer:2"), NOW)
    assert (decision.actions, decision.status) == ((), build.status)


@pytest.mark.parametrize(
    "change",
    [
        {"dockerfile": "FROM busybox:2\n"},
        {"buildArgs": {"A": "1"}},
        {"target": "final"},
        {"timeout": "2h"},
        {"destinations": [{"image": "other"}]},
        {"executor": {"image": "custom"}},
        {"executor": {"resources": {"limits": {"memory": "2Gi"}}}},
    ],
)
def test_a_change_of_the_spec_builds_anew_and_cleans_up(change: dict[str, Any]) -> None:
    build, pod = finished()
    decision = decide(changed(build, **change), pod)
    assert created(decision)[0]["metadata"]["name"] != pod.name
    assert deleted(decision) >= {pod.name, pod.name.removesuffix("-1")}
    assert (decision.status.phase, decision.status.attempt, decision.status.digest) == ("Pending", 1, None)


def test_a_change_of_a_config_maps_contents_builds_anew() -> None:
    build, manifest = begun_from_config_map()
    pod = attempt(manifest, resources.built())
    done = with_status(build, decide(build, pod, maps=SOURCE).status)
    assert decide(done, pod, maps=SOURCE).actions == ()
    assert created(decide(done, pod, maps={"source": ConfigMapData({"Dockerfile": "FROM debian\n"})}))


def begun_from_config_map() -> tuple[ImageBuild, dict[str, Any]]:
    build = image_build(FROM_CONFIG_MAP)
    decision = decide(build, maps=SOURCE)
    return with_status(build, decision.status), created(decision)[0]


def test_a_source_that_goes_after_the_end_changes_nothing() -> None:
    build, manifest = begun_from_config_map()
    pod = attempt(manifest, resources.built())
    done = with_status(build, decide(build, pod, maps=SOURCE).status)
    decision = decide(done, pod)
    assert (decision.actions, decision.status) == ((), done.status)


def test_a_source_that_goes_during_the_build_ends_it() -> None:
    build, manifest = begun_from_config_map()
    pod = attempt(manifest, RUNNING)
    decision = decide(build, pod)
    assert pod.name in deleted(decision)
    assert decision.status.conditions[0].reason == "DockerfileNotFound"


def test_a_build_waits_until_the_pod_of_the_one_before_has_ended() -> None:
    build, manifest = begun()
    running = attempt(manifest, RUNNING)
    new = changed(build, target="final")
    decision = decide(new, running)
    assert deleted(decision) >= {running.name}
    assert not created(decision)
    waiting_for_it = with_status(new, decision.status)
    going = attempt(manifest, RUNNING, deleted=time(-10))
    assert decide(waiting_for_it, going).actions == ()
    assert created(decide(waiting_for_it))


def test_a_build_does_not_wait_for_a_pod_that_never_goes() -> None:
    build, manifest = begun()
    lost = attempt(manifest, RUNNING, deleted=time(60))
    assert created(decide(changed(build, target="final"), lost))


def test_a_push_that_fails_is_tried_again_after_a_while() -> None:
    build, manifest = begun()
    soon = decide(build, attempt(manifest, failed(ExitCode.PUSH, "PushFailed", before=4)))
    assert (soon.status.phase, soon.actions, soon.look_again) == ("Retrying", (), 6)
    due = decide(build, attempt(manifest, failed(ExitCode.PUSH, "PushFailed", before=10)))
    (made,) = created(due)
    assert made["metadata"]["labels"]["yadokari.dev/attempt"] == "2"
    assert made["metadata"]["annotations"]["yadokari.dev/retries"] == "1"
    assert (due.status.attempt, due.status.retries) == (2, 1)


def test_retries_come_to_an_end() -> None:
    build, manifest = begun()
    last = attempt(manifest, PUSH_FAILED, number=MAX_RETRIES + 1, retries=MAX_RETRIES)
    assert decide(build, last).status.phase == "Failed"


def test_a_pod_taken_away_does_not_count() -> None:
    build, manifest = begun()
    pod = attempt(manifest, taken_away("Evicted", before=3600), number=9, retries=MAX_RETRIES)
    (made,) = created(decide(build, pod))
    assert made["metadata"]["annotations"]["yadokari.dev/retries"] == str(MAX_RETRIES)


def test_of_earlier_attempts_only_the_last_keeps_its_log() -> None:
    build, manifest = begun()
    pods = [
        attempt(manifest, failed(ExitCode.PUSH, "PushFailed", before=3600), number=number, retries=number - 1)
        for number in (1, 2)
    ]
    assert deleted(decide(build, *pods)) == {pods[0].name}


def test_a_pod_that_vanished_is_followed_by_another() -> None:
    build, manifest = begun()
    seen = with_status(build, decide(build, attempt(manifest, RUNNING)).status)
    (made,) = created(decide(seen))
    assert made["metadata"]["labels"]["yadokari.dev/attempt"] == "2"


def test_a_pod_that_vanished_is_not_mistaken_for_the_one_before_it() -> None:
    build, manifest = begun()
    second = replace(build.status, attempt=2, retries=1)
    before = attempt(manifest, failed(ExitCode.PUSH, "PushFailed", before=3600))
    (made,) = created(decide(with_status(build, second), before))
    assert made["metadata"]["labels"]["yadokari.dev/attempt"] == "3"
    assert made["metadata"]["annotations"]["yadokari.dev/retries"] == "1"


def test_a_pod_on_a_lost_node_is_followed_by_another() -> None:
    build, manifest = begun()
    assert decide(build, attempt(manifest, RUNNING, deleted=time(-10))).actions == ()
    assert created(decide(build, attempt(manifest, RUNNING, deleted=time(31))))


def test_a_pod_that_cannot_start_is_reported_and_waited_for() -> None:
    build, manifest = begun()
    decision = decide(build, attempt(manifest, waiting("CreateContainerConfigError", "secret not found")))
    assert decision.actions == ()
    assert (decision.status.phase, decision.status.conditions[0].reason) == ("Pending", "PodPending")
    assert "secret not found" in decision.status.message
    assert decision.event is not None


def test_a_pod_that_does_not_start_in_time_is_given_up() -> None:
    build, manifest = begun()
    late = attempt(manifest, waiting("CreateContainerConfigError", "secret not found"), age=3601)
    decision = decide(build, late)
    assert deleted(decision) == {late.name}
    assert (decision.status.phase, decision.status.conditions[0].reason) == ("Failed", "Timeout")
    assert "secret not found" in decision.status.message


def test_a_pod_that_the_server_refuses_is_reported_and_made_again_as_the_same_attempt() -> None:
    build = image_build()
    wanted = decide(build)
    refused = rejected(build, wanted, "exceeded quota", NOW)
    assert (refused.status.conditions[0].reason, refused.status.message) == ("PodRejected", "exceeded quota")
    again = decide(with_status(build, refused.status))
    assert created(again) == created(wanted)


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
    st.builds(
        failed,
        st.sampled_from(list(ExitCode)),
        st.just("Reason"),
        before=st.sampled_from([1.0, 3600.0]),
    ),
)
attempts = st.lists(
    st.tuples(
        pod_states,
        st.integers(0, MAX_RETRIES),
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
    "second attempt made": lambda: with_status(
        image_build(), Status(attempt=2, inputs_hash=begun()[0].status.inputs_hash)
    ),
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
    first = decide(build, *pods)
    assert len(created(first)) <= 1
    assert {name["metadata"]["name"] for name in created(first)}.isdisjoint(pod.name for pod in pods)
    assert (first.look_again is None) == first.status.finished
    if not created(first):
        left = [pod for pod in pods if pod.name not in deleted(first)]
        second = decide(with_status(build, first.status), *left)
        if not created(second):
            assert (second.status, second.event) == (first.status, None)


@given(st.sampled_from(sorted(starts)), attempts)
def test_all_conditions_are_always_there_and_agree(
    start: str, found: list[tuple[dict[str, Any], int, str, float]]
) -> None:
    manifest = begun()[1]
    pods = [attempt(manifest, state, number=n) for n, (state, *_) in enumerate(found, 1)]
    status = decide(starts[start](), *pods).status
    truth = {condition.type: condition.status for condition in status.conditions}
    assert set(truth) == {"Ready", "Reconciling", "Stalled", "Succeeded"}
    assert (truth["Reconciling"] == "True") == (not status.finished)
    assert [truth[kind] for kind in ("Ready", "Stalled", "Reconciling")].count("True") == 1
