"""Pods whose container is a base image: when they are made, and when ordinary ones are made instead."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

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
    pod_resource,
    time,
    waiting,
    with_status,
)
from yadokari_api.imagebuild import ImageBuild
from yadokari_api.policy import Policy
from yadokari_api.reasons import StateReason
from yadokari_api.spec import ImageBuildSpec
from yadokari_api.status import Base, Lodging
from yadokari_contract.arguments import parse_arguments
from yadokari_contract.reasons import Reason
from yadokari_contract.results.build import BaseImage, BuildResult, format_result
from yadokari_contract.results.lodging import LodgingResult, NotLodged
from yadokari_contract.runtime import LOADED
from yadokari_contract.spec import BuildSpec
from yadokari_operator.pods.observed import Pod, parse_pod
from yadokari_operator.reconcile.decide import reconcile, refused
from yadokari_operator.reconcile.decision import Answer, Create, Decision, Delete, Observed
from yadokari_operator.settings import Settings

BASE = f"docker.io/library/busybox@sha256:{'b' * 64}"
OTHER = f"docker.io/library/busybox@sha256:{'c' * 64}"
EXECUTOR = Settings().executor_image


def decide(
    build: ImageBuild,
    *pods: Pod,
    later: float = 0,
    settings: Settings | None = None,
    policies: tuple[Policy, ...] = (),
    answers: Mapping[str, Answer] | None = None,
) -> Decision:
    observed = Observed(build=build, pods=pods, sources={}, policies=policies, answers=answers or {})
    return reconcile(observed, settings or Settings(), NOW + timedelta(seconds=later))


def made(decision: Decision) -> dict[str, Any] | None:
    """The pod that a decision makes, if it makes one."""
    pods = [it.manifest for it in decision.actions if isinstance(it, Create) and it.manifest["kind"] == "Pod"]
    return pods[0] if pods else None


def image_of(decision: Decision) -> str:
    """The image of the executor's container in the pod that a decision makes."""
    pod = made(decision)
    assert pod is not None
    return str(pod["spec"]["containers"][0]["image"])


def told(image: str = BASE, *, performed: int = 1, **lodging: Any) -> dict[str, Any]:
    """Status of a pod whose executor has built, and has told of a base."""
    result = BuildResult(
        digest=DIGEST,
        images=(IMAGE,),
        bases=(BaseImage("busybox", f"sha256:{'d' * 64}"),),
        steps=2,
        total_steps=2,
        performed=performed,
        cached=1 - performed,
        lodging=LodgingResult(image=image, **lodging),
    )
    return ended(0, format_result(result))


def seen(manifest: Mapping[str, Any], status: dict[str, Any], build: ImageBuild, **how: Any) -> Pod:
    resource = pod_resource(dict(manifest), status, **how)
    found = parse_pod(resource, knowing(build, resource))
    assert found is not None
    return found


def run(build: ImageBuild, status: dict[str, Any], **how: Any) -> ImageBuild:
    """The build after a run whose first pod came to this."""
    first = decide(build, **how)
    manifest = made(first)
    assert manifest is not None
    build = with_status(build, first.status)
    return with_status(build, decide(build, seen(manifest, status, build)).status)


def again(build: ImageBuild, requested: str = "2026-01-01") -> ImageBuild:
    """The same, to be built once more."""
    return image_build(dict(build.spec), build.status, generation=build.generation, rebuild=requested)


def known(status: dict[str, Any] | None = None, spec: dict[str, Any] | None = None) -> ImageBuild:
    """A build that has run once, in an ordinary pod, and is to be built again."""
    return again(run(image_build(spec), status or told()))


def lodging_pod(build: ImageBuild, status: dict[str, Any], **how: Any) -> tuple[ImageBuild, Pod]:
    """The build whose second run has begun in its base, and that pod with this status."""
    second = decide(build)
    manifest = made(second)
    assert manifest is not None
    assert image_of(second) == BASE
    build = with_status(build, second.status)
    return build, seen(manifest, status, build, **how)


def test_the_first_run_builds_in_an_ordinary_pod_and_the_next_one_in_the_base_that_it_told_of() -> None:
    first = run(image_build(), told())
    assert first.status.lodging == (Lodging(image=BASE),)
    pod = made(decide(again(first)))
    assert pod is not None
    (container,) = pod["spec"]["containers"]
    assert container["image"] == BASE
    assert container["command"] == ["/yadokari/executor"]
    assert container["workingDir"] == "/yadokari"
    assert parse_arguments(container["args"]).lodging == BASE
    (first_container,) = pod["spec"]["initContainers"]
    assert first_container["image"] == EXECUTOR


def test_only_the_variables_that_the_operator_gives_are_the_executors_own() -> None:
    spec = SPEC | {
        "pullSecretRefs": [{"name": "pull"}],
        "executor": {"env": [{"name": "HTTPS_PROXY", "value": "http://proxy"}]},
    }
    pod = made(decide(known(spec=spec)))
    assert pod is not None
    (container,) = pod["spec"]["containers"]
    values = {it["name"]: it.get("value") for it in container["env"]}
    assert {name: values[name] for name in LOADED} == dict.fromkeys(LOADED, "")
    own = set(parse_arguments(container["args"]).lodging_env)
    assert own == set(values) - set(LOADED) >= {"HTTPS_PROXY", "DOCKER_AUTH_CONFIG_PULL_1"}


def test_the_node_pulls_a_base_with_the_secrets_that_the_executor_would_pull_it_with() -> None:
    spec = SPEC | {
        "pullSecretRefs": [{"name": "pull"}, {"name": "both"}],
        "executor": {"imagePullSecrets": [{"name": "both"}]},
    }
    ordinary, lodging = made(decide(image_build(spec))), made(decide(known(spec=spec)))
    assert ordinary is not None
    assert lodging is not None
    assert ordinary["spec"]["imagePullSecrets"] == [{"name": "both"}]
    assert lodging["spec"]["imagePullSecrets"] == [{"name": "both"}, {"name": "pull"}]


@pytest.mark.parametrize(
    ("executor", "settings", "expected"),
    [
        ({}, Settings(), BASE),
        ({"lodging": "Never"}, Settings(), EXECUTOR),
        ({}, Settings(executor_lodging="Never"), EXECUTOR),
        ({"lodging": "Auto"}, Settings(executor_lodging="Never"), BASE),
        # Namespaces of their own, where steps can have them, come first.
        ({}, Settings(executor_seccomp_profile="yadokari.json"), EXECUTOR),
        ({"lodging": "Always"}, Settings(executor_seccomp_profile="yadokari.json"), BASE),
        ({"isolation": "Shared"}, Settings(executor_seccomp_profile="yadokari.json"), BASE),
        ({}, Settings(executor_isolation="Namespaces"), EXECUTOR),
        ({"lodging": "Always"}, Settings(executor_isolation="Namespaces"), EXECUTOR),
        ({"isolation": "Namespaces"}, Settings(executor_lodging="Always"), EXECUTOR),
    ],
)
def test_the_spec_says_before_the_settings_whether_bases_are_built_in(
    executor: dict[str, Any], settings: Settings, expected: str
) -> None:
    build = known(spec=SPEC | {"executor": executor})
    assert image_of(decide(build, settings=settings)) == expected


def test_a_build_cannot_ask_for_a_base_and_for_namespaces() -> None:
    with pytest.raises(ValidationError, match="exclude each other"):
        ImageBuildSpec.model_validate(SPEC | {"executor": {"lodging": "Always", "isolation": "Namespaces"}})


def test_a_policy_can_forbid_it() -> None:
    policy = Policy.parse({"metadata": {"name": "ours"}, "spec": {"bounds": {"lodging": "Never"}}})
    assert image_of(decide(known(), policies=(policy,))) == EXECUTOR
    asks = known(spec=SPEC | {"executor": {"lodging": "Always"}})
    refusal = decide(asks, policies=(policy,)).status
    assert (refusal.phase, refusal.reason) == ("Failed", StateReason.POLICY_VIOLATION)
    assert "spec.executor.lodging is Always: it may be Never" in refusal.message


def test_where_all_that_needed_the_base_was_cached_the_next_one_needs_it_neither() -> None:
    build = known(told(performed=0))
    assert build.status.lodging[0].reason == NotLodged.NOT_NEEDED
    assert image_of(decide(build)) == EXECUTOR
    always = known(told(performed=0), SPEC | {"executor": {"lodging": "Always"}})
    assert image_of(decide(always)) == BASE
    # Once a step was performed again the base is of use.
    assert image_of(decide(again(run(build, told()), "later"))) == BASE


def test_variables_whose_names_are_not_known_here_take_an_ordinary_pod() -> None:
    spec = SPEC | {"buildArgsFrom": [{"secretRef": {"name": "arguments"}}]}
    assert image_of(decide(known(spec=spec))) == EXECUTOR


def test_a_base_that_has_moved_is_the_next_one() -> None:
    moved = run(known(), told(OTHER, reason=NotLodged.OTHER_IMAGE, message="busybox is another one"))
    (entry,) = moved.status.lodging
    assert (entry.image, entry.reason, entry.unusable) == (OTHER, NotLodged.OTHER_IMAGE, None)
    assert image_of(decide(again(moved, "later"))) == OTHER


@pytest.mark.parametrize(
    "reason", [NotLodged.FILES_DIFFER, NotLodged.ROOT_CHANGED, NotLodged.VOLUMES, NotLodged.ISOLATION]
)
def test_a_base_that_was_of_no_use_is_left_alone_until_there_is_another(reason: NotLodged) -> None:
    build = run(known(), told(BASE, reason=reason, message="of no use"))
    assert build.status.lodging[0].unusable
    for number in range(2):
        build = again(build, f"later {number}")
        assert image_of(decide(build)) == EXECUTOR
        # An ordinary pod tells that it could be, as ever.
        build = run(build, told(BASE))
    build = run(again(build, "at last"), told(OTHER))
    assert image_of(decide(again(build, "and again"))) == OTHER


def test_a_base_that_other_stages_keep_from_use_is_tried_again_when_there_are_others() -> None:
    build = run(known(), told(BASE, reason=NotLodged.OTHER_STAGES, message="another stage needs the root"))
    assert build.status.lodging[0].unusable
    assert image_of(decide(again(build, "later"))) == EXECUTOR
    changed = dict(build.spec) | {"dockerfile": "FROM busybox\nRUN true\n"}
    assert image_of(decide(image_build(changed, build.status, generation=2))) == BASE


def test_a_stage_that_was_built_in_it_is_told() -> None:
    build = run(known(), told(stage="build"))
    assert build.status.lodging == (Lodging(image=BASE, stage="build"),)


@pytest.mark.parametrize(
    "image",
    [
        "",
        "busybox",
        f"busybox@sha256:{'b' * 64}",
        f"evil.test/library/busybox@sha256:{'b' * 64}",
        f"docker.io/library/other@sha256:{'b' * 64}",
        f"docker.io/library/busybox@sha256:{'b' * 64}\n",
        "docker.io/library/busybox:1",
    ],
)
def test_what_cannot_be_a_base_of_this_build_is_never_run(image: str) -> None:
    build = run(image_build(), told(image))
    assert build.status.lodging == ()
    assert image_of(decide(again(build))) == EXECUTOR


def test_what_a_failed_executor_says_is_not_run() -> None:
    result = BuildResult(bases=(BaseImage("busybox", DIGEST),), lodging=LodgingResult(image=BASE))
    build = run(image_build(), ended(11, format_result(result)))
    assert build.status.lodging == ()


UNSTARTED: list[tuple[str, dict[str, Any]]] = [
    ("ErrImagePull", waiting("ErrImagePull", "not found")),
    ("ImagePullBackOff", waiting("ImagePullBackOff", "Back-off pulling image")),
    ("RunContainerError", waiting("RunContainerError", "mkdir /yadokari: not a directory")),
    ("StartError", ended(128, "exec: no such file", reason="StartError")),
    ("InvalidArguments", failed(Reason.INVALID_ARGUMENTS, "the image has a VOLUME")),
    ("InternalError", failed(Reason.INTERNAL_ERROR)),
    ("Nothing", ended(0, "libc.so.6 => /yadokari/lib/libc.so.6 (0x00007f68188bb000)")),
]


@pytest.mark.parametrize("status", [it for _, it in UNSTARTED], ids=[name for name, _ in UNSTARTED])
def test_where_a_base_cannot_be_started_an_ordinary_pod_follows_at_once_and_counts_as_none(
    status: dict[str, Any],
) -> None:
    build, pod = lodging_pod(known(), {"startTime": time(1), **status})
    decision = decide(build, pod)
    assert image_of(decision) == EXECUTOR
    assert [it.name for it in decision.actions if isinstance(it, Delete)] == [pod.name]
    assert (decision.status.run.attempt, decision.status.run.retries) == (2, 0)
    (entry,) = decision.status.lodging
    assert entry.unusable
    assert entry.message is not None
    assert entry.message.startswith("no pod of docker.io/library/busybox@sha256:bbbbbbbbbbbb could build: ")
    # So it is in the next run.
    after = with_status(build, decision.status)
    manifest = made(decision)
    assert manifest is not None
    done = with_status(after, decide(after, pod, seen(manifest, told(), after)).status)
    assert done.status.phase == "Succeeded"
    assert image_of(decide(again(done, "later"))) == EXECUTOR


def test_a_node_that_takes_too_long_to_pull_a_base_gets_an_ordinary_pod() -> None:
    build, pod = lodging_pod(known(), waiting() | {"startTime": time(1)})
    patient = decide(build, pod)
    assert made(patient) is None
    assert patient.look_again == pytest.approx(59)
    impatient = decide(build, pod, later=59)
    assert image_of(impatient) == EXECUTOR
    assert "the node did not start it within 60 s" in str(impatient.status.lodging[0].message)


@pytest.mark.parametrize(
    "status",
    [
        waiting() | {"startTime": time(1)},
        waiting("CreateContainerConfigError", 'secret "login" not found') | {"startTime": time(1)},
        RUNNING,
    ],
)
def test_what_another_pod_would_not_mend_is_waited_for(status: dict[str, Any]) -> None:
    build, pod = lodging_pod(known(), status)
    assert made(decide(build, pod)) is None


def test_a_pod_that_no_node_has_taken_is_waited_for() -> None:
    unscheduled = {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False"}]}
    build, pod = lodging_pod(known(), unscheduled)
    assert made(decide(build, pod, later=600)) is None


def test_a_step_that_fails_in_a_base_fails_the_build() -> None:
    build, pod = lodging_pod(known(), failed(Reason.RUN_FAILED, line=3))
    decision = decide(build, pod)
    assert made(decision) is None
    assert decision.status.phase == "Failed"


def test_after_a_failure_of_the_network_another_attempt_lodges() -> None:
    build, pod = lodging_pod(known(), failed(Reason.PUSH_FAILED))
    decision = decide(build, pod, later=60)
    assert image_of(decision) == BASE
    assert decision.status.run.retries == 1


@pytest.mark.parametrize("reason", [StateReason.ADMISSION_DENIED, StateReason.INVALID_SPEC])
def test_a_base_that_is_not_admitted_gets_an_ordinary_pod_at_once(reason: StateReason) -> None:
    build = known()
    decision = decide(build)
    assert image_of(decision) == BASE
    observed = Observed(build=build, sources={})
    told_so = refused(observed, decision, reason, "images are from registry.test", NOW)
    assert told_so.look_again == 0
    assert told_so.status.phase == "Pending"
    assert "images are from registry.test" in told_so.status.message
    assert image_of(decide(with_status(build, told_so.status))) == EXECUTOR


def test_a_quota_holds_for_ordinary_pods_as_well() -> None:
    build = known()
    decision = decide(build)
    waits = refused(Observed(build=build, sources={}), decision, StateReason.QUOTA_EXCEEDED, "full", NOW)
    assert waits.status.reason == StateReason.QUOTA_EXCEEDED
    assert image_of(decide(with_status(build, waits.status))) == BASE


def test_a_run_that_begins_since_a_base_has_moved_builds_in_that_one() -> None:
    spec = SPEC | {"rebuild": {"onBaseImageChange": {"interval": "1h"}}}
    build = run(image_build(spec), told())
    moved = Answer(NOW + timedelta(hours=1), OTHER.partition("@")[2])
    decision = decide(build, later=3600, answers={"busybox": moved})
    assert decision.status.run.reason == "BaseImageChanged"
    assert image_of(decision) == OTHER
    assert decision.status.lodging == (Lodging(image=OTHER),)
    # Whoever looks again knows of no answer.
    assert image_of(decide(with_status(build, decision.status), later=3601)) == OTHER


def test_where_two_names_may_mean_the_base_it_is_not_known_which_of_them_has_moved() -> None:
    spec = SPEC | {"rebuild": {"onBaseImageChange": {"interval": "1h"}}}
    build = run(image_build(spec), told())
    another = Base(reference="busybox:2", digest=f"sha256:{'e' * 64}")
    build = with_status(build, replace(build.status, bases=(*build.status.bases, another)))
    moved = Answer(NOW + timedelta(hours=1), OTHER.partition("@")[2])
    decision = decide(build, later=3600, answers={"busybox": moved})
    assert image_of(decision) == EXECUTOR


PIN = f"docker.io/library/busybox@sha256:{'d' * 64}"
"""The index that the executor is told of in these tests."""
PINNED = SPEC | {"dockerfile": f"FROM busybox:1@{PIN.partition('@')[2]}\nRUN true\n"}


def test_the_first_run_builds_in_a_base_that_the_dockerfile_pins() -> None:
    build = image_build(PINNED)
    first = decide(build)
    assert image_of(first) == PIN
    for executor in ({"lodging": "Never"}, {"isolation": "Namespaces"}):
        assert image_of(decide(image_build(PINNED | {"executor": executor}))) == EXECUTOR
    manifest = made(first)
    assert manifest is not None
    build = with_status(build, first.status)
    build = with_status(build, decide(build, seen(manifest, told(stage="0"), build)).status)
    # The node has it by that name.
    assert build.status.lodging == (Lodging(image=PIN, stage="0"),)
    assert image_of(decide(again(build))) == PIN


def test_a_base_that_is_pinned_anew_is_the_next_one() -> None:
    build = run(image_build(PINNED), told())
    pin = f"sha256:{'e' * 64}"
    changed = image_build(
        PINNED | {"dockerfile": f"FROM busybox@{pin}\nRUN true\n"}, build.status, generation=2
    )
    assert image_of(decide(changed)) == f"docker.io/library/busybox@{pin}"
    # Of two bases the other one is no better known than before.
    other = f"FROM alpine@{pin}\nRUN true\nFROM busybox\n"
    assert image_of(decide(image_build(PINNED | {"dockerfile": other}, build.status, generation=2))) == PIN


def test_a_pinned_base_that_is_of_no_use_is_left_alone_by_whatever_digest() -> None:
    for status, reason in (
        (waiting("ErrImagePull", "not found"), "PodFailed"),
        (told(reason=NotLodged.VOLUMES), NotLodged.VOLUMES),
    ):
        build = image_build(PINNED)
        first = decide(build)
        manifest = made(first)
        assert manifest is not None
        build = with_status(build, first.status)
        pod = seen(manifest, {"startTime": time(1), **status}, build)
        decision = decide(build, pod)
        build = with_status(build, decision.status)
        if manifest := made(decision):
            build = with_status(build, decide(build, pod, seen(manifest, told(), build)).status)
        assert build.status.phase == "Succeeded"
        assert [(it.reason, it.unusable) for it in build.status.lodging] == [(reason, True)]
        assert image_of(decide(again(build))) == EXECUTOR


def test_a_pinned_base_that_is_not_admitted_is_asked_for_once() -> None:
    for spec in (PINNED, PINNED | {"platforms": ["linux/amd64", "linux/arm64"]}):
        build = image_build(spec)
        decision = decide(build)
        assert image_of(decision) == PIN
        observed = Observed(build=build, sources={})
        told_so = refused(observed, decision, StateReason.ADMISSION_DENIED, "no", NOW)
        assert image_of(decide(with_status(build, told_so.status))) == EXECUTOR


def took(seconds: int, **lodging: Any) -> dict[str, Any]:
    """Status of a pod whose node took so long to have the base, and whose executor has built."""
    status = told(stage="0", **lodging)
    status["conditions"] = [
        {"type": "Initialized", "status": "True", "lastTransitionTime": time(30 + seconds)}
    ]
    status["containerStatuses"][0]["state"]["terminated"]["startedAt"] = time(30)
    return status


def test_a_base_that_nodes_have_sooner_than_executors_unpack_it_is_built_in() -> None:
    build = run(image_build(), told(unpacking=9.5))
    assert build.status.lodging == (Lodging(image=BASE, unpacked=9.5),)
    # What stages beside take of it says nothing.
    build = run(again(build), took(11, unpacking=0.1))
    assert build.status.lodging == (Lodging(image=BASE, stage="0", unpacked=9.5, pulled=11),)
    assert image_of(decide(again(build, "later"))) == BASE
    build = run(again(build, "later"), took(1))
    assert build.status.lodging[0].pulled == 6


def test_a_base_that_nodes_take_longer_to_pull_is_unpacked_until_that_is_long_ago() -> None:
    build = run(again(run(image_build(), told(unpacking=3))), took(12))
    always = SPEC | {"executor": {"lodging": "Always"}}
    assert image_of(decide(image_build(always, build.status, rebuild="later"))) == BASE
    images = []
    for number in range(4):
        build = again(build, str(number))
        images.append(image_of(decide(build)))
        build = run(build, took(0) if images[-1] == BASE else told(unpacking=3))
    assert images == [EXECUTOR, EXECUTOR, BASE, BASE]
    assert build.status.lodging == (Lodging(image=BASE, stage="0", unpacked=3, pulled=0.75),)


def test_where_one_of_both_times_is_not_known_the_base_is_built_in() -> None:
    slow = run(again(run(image_build(), told())), took(50))
    assert image_of(decide(again(slow, "later"))) == BASE


@pytest.mark.parametrize("unpacking", [-1, 1e300, float("nan"), float("inf")])
def test_a_time_that_cannot_be_is_not_kept(unpacking: float) -> None:
    build = run(image_build(), told(unpacking=unpacking))
    assert build.status.lodging == (Lodging(image=BASE),)


ALWAYS = SPEC | {"dockerfile": "FROM busybox:1\nRUN true\n", "executor": {"lodging": "Always"}}


@pytest.mark.parametrize(
    ("answer", "image", "message"),
    [
        ({"resolved": OTHER.partition("@")[2]}, OTHER, None),
        (
            {"failure": "RegistryError: it is down"},
            EXECUTOR,
            "what busybox:1 is was asked for in vain: RegistryError: it is down",
        ),
    ],
)
def test_where_bases_are_wanted_always_the_first_run_asks_what_a_tag_is(
    answer: dict[str, str], image: str, message: str | None
) -> None:
    build = image_build(ALWAYS)
    first = decide(build)
    assert made(first) is None
    assert [it.name for it in first.wants] == ["busybox:1"]
    assert first.status.message == "what busybox:1 is gets asked for, to build in its own container"
    build = with_status(build, first.status)
    old = Answer(NOW - timedelta(hours=1), "sha256:" + "f" * 64)
    assert made(decide(build, later=1, answers={"busybox:1": old})) is None
    answered = decide(build, later=2, answers={"busybox:1": Answer(NOW, **answer)})
    assert image_of(answered) == image
    assert answered.wants == ()
    # It is asked once, though the attempt may have to wait.
    later = decide(with_status(build, answered.unacted), later=3)
    assert (image_of(later), later.wants) == (image, ())
    assert later.status.lodging[0].message == message


def test_a_run_does_not_wait_for_ever_for_what_a_base_is() -> None:
    build = image_build(ALWAYS)
    first = decide(build)
    assert first.look_again == 60
    build = with_status(build, first.status)
    assert made(decide(build, later=59)) is None
    assert image_of(decide(build, later=60)) == EXECUTOR


def test_all_platforms_learn_from_one_answer() -> None:
    build = image_build(ALWAYS | {"platforms": ["linux/amd64", "linux/arm64"]})
    build = with_status(build, decide(build).status)
    first = decide(build, answers={"busybox:1": Answer(NOW, OTHER.partition("@")[2])})
    manifest = made(first)
    assert manifest is not None
    build = with_status(build, first.status)
    second = decide(build, seen(manifest, RUNNING, build))
    assert image_of(first) == image_of(second) == OTHER


@pytest.mark.parametrize(
    "spec",
    [
        SPEC | {"dockerfile": "FROM busybox\nRUN true\n"},
        ALWAYS | {"dockerfile": "FROM $base\nRUN true\n"},
        ALWAYS | {"buildArgsFrom": [{"secretRef": {"name": "arguments"}}]},
    ],
)
def test_nothing_is_asked_where_nothing_would_come_of_it(spec: dict[str, Any]) -> None:
    decision = decide(image_build(spec))
    assert decision.wants == ()
    assert image_of(decision) == EXECUTOR


def test_each_platform_has_a_base_of_its_own() -> None:
    spec = SPEC | {"platforms": ["linux/amd64", "linux/arm64"]}
    build = image_build(spec)
    first = decide(build)
    bases = {"amd64": BASE, "arm64": OTHER}
    pods = []
    build = with_status(build, first.status)
    manifest = made(first)
    for number in range(2):
        assert manifest is not None
        word = next(word for word in bases if word in manifest["metadata"]["name"])
        pods.append(seen(manifest, told(bases[word]), build))
        decision = decide(build, *pods)
        build = with_status(build, decision.status)
        manifest = made(decision) if number == 0 else None
    assert {(it.platform, it.image) for it in build.status.lodging} == {
        ("linux/amd64", BASE),
        ("linux/arm64", OTHER),
    }


@pytest.mark.parametrize("policy", ["Queue", "Forbid"])
def test_a_run_that_another_one_waits_for_goes_on_in_an_ordinary_pod(policy: str) -> None:
    build, pod = lodging_pod(
        known(spec=SPEC | {"concurrencyPolicy": policy}),
        waiting("ErrImagePull", "gone") | {"startTime": time(1)},
    )
    changed = image_build(
        dict(build.spec) | {"dockerfile": "FROM busybox\nRUN true\n"}, build.status, generation=2
    )
    decision = decide(changed, pod)
    assert image_of(decision) == EXECUTOR
    manifest = made(decision)
    assert manifest is not None
    assert manifest["metadata"]["name"] == pod.name.rpartition("-")[0] + "-2"
    (container,) = manifest["spec"]["containers"]
    assert "command" not in container
    asked: BuildSpec = parse_arguments(container["args"])
    assert (asked.lodging, asked.lodging_env) == ("", ())
