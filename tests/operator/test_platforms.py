"""Several platforms: a pod for each, then one index, as the operator decides it step by step."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from support.resources import (
    DIGEST,
    IMAGE,
    NOW,
    RUNNING,
    SPEC,
    built,
    ended,
    failed,
    image_build,
    knowing,
    pod_resource,
    taken_away,
    time,
    waiting,
    with_status,
)
from yadokari_api.imagebuild import ImageBuild
from yadokari_api.policy import Policy
from yadokari_api.status import Status, Steps
from yadokari_contract.arguments import parse_arguments, parse_index
from yadokari_contract.progress import BuildPhase, Progress
from yadokari_contract.reasons import Reason
from yadokari_contract.results.answers import IndexResult, format_index_result
from yadokari_contract.results.build import BaseImage, BuildResult, Failure, format_result
from yadokari_operator.pods.errands.observed import ErrandPod, parse_errand
from yadokari_operator.pods.names import run_in
from yadokari_operator.pods.observed import Pod, parse_pod
from yadokari_operator.reconcile.decide import held, reconcile
from yadokari_operator.reconcile.decision import Create, Decision, Delete, Observed
from yadokari_operator.reports import Reconciled
from yadokari_operator.settings import Settings
from yadokari_operator.traces import run
from yadokari_operator.turns import Place

AMD64, ARM64 = "linux/amd64", "linux/arm64"
INDEX = "sha256:" + "2" * 64


def image(digit: str, size: int = 7, **told: Any) -> dict[str, Any]:
    """Status of a pod that has pushed an image with a digest of this digit, and has told more."""
    base = BaseImage("busybox:latest", DIGEST)
    result = BuildResult(digest="sha256:" + digit * 64, size=size, bases=(base,), **told)
    return ended(0, format_result(result))


INDEXED = ended(0, format_index_result(IndexResult(digest=INDEX, size=14, images=(IMAGE,))))


@dataclass
class World:
    """A cluster in which pods do what they are told, and an operator that looks at it again and again."""

    build: ImageBuild
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: float = 0
    progress: dict[str, Progress] = field(default_factory=dict)
    policies: tuple[Policy, ...] = ()

    def look(self) -> Decision:
        """Decide once, and do it."""
        known = knowing(self.build, *self.pods.values())
        pods = [parse_pod(it, known) for it in self.pods.values()]
        errands = [parse_errand(it, known) for it in self.pods.values()]
        observed = Observed(
            build=known,
            pods=tuple(it for it in pods if it),
            errands=tuple(it for it in errands if it),
            sources={},
            progress=self.progress,
            policies=self.policies,
        )
        self.observed = observed
        decision = reconcile(observed, Settings(), NOW + timedelta(seconds=self.seconds))
        for action in decision.actions:
            match action:
                case Create(manifest) if manifest["kind"] == "Pod":
                    self.pods[manifest["metadata"]["name"]] = pod_resource(manifest, waiting())
                case Delete("Pod", name, _, _):
                    del self.pods[name]
        self.build = with_status(known, decision.status)
        return decision

    def settle(self) -> Status:
        """Look until nothing changes."""
        while True:
            before = (self.build.status, list(self.pods))
            self.look()
            if (self.build.status, list(self.pods)) == before:
                return self.build.status

    def becomes(self, word: str, status: dict[str, Any]) -> Status:
        """Have the one pod whose name has a word in it come to something, and settle."""
        (name,) = (name for name in self.pods if f"-{word}-" in name and not self.has_ended(name))
        self.pods[name]["status"] = status
        return self.settle()

    def prints(self, word: str, phase: BuildPhase, step: int = 0, steps: int = 0) -> Status:
        """Have the log of a pod whose name has a word in it tell this, and settle."""
        (name,) = (name for name in self.pods if f"-{word}-" in name and not self.has_ended(name))
        self.progress[name] = Progress(phase, step, steps, "RUN make")
        return self.settle()

    def change(self, **spec: Any) -> None:
        """Change the spec."""
        changed = {**self.build.spec, **spec}
        self.build = replace(self.build, spec=changed, generation=self.build.generation + 1)

    def has_ended(self, name: str) -> bool:
        """Whether a pod has come to its end."""
        return self.pods[name]["status"]["phase"] in ("Succeeded", "Failed")


def world(*platforms: str, **spec: Any) -> World:
    begun = World(image_build({**SPEC, "platforms": list(platforms or (AMD64, ARM64)), **spec}))
    begun.settle()
    return begun


def arguments(pod: dict[str, Any]) -> list[str]:
    found: list[str] = pod["spec"]["containers"][0]["args"]
    return found


def test_each_platform_is_built_by_a_pod_on_a_node_of_its_architecture_and_pushed_by_digest() -> None:
    pods = list(world(AMD64, "linux/arm/v7").pods.values())
    asked = [parse_arguments(arguments(pod)) for pod in pods]
    assert [it.custom_platform for it in asked] == [AMD64, "linux/arm/v7"]
    assert all(it.push_by_digest and it.destinations == (IMAGE,) for it in asked)
    assert [pod["spec"]["nodeSelector"] for pod in pods] == [
        {"kubernetes.io/os": "linux", "kubernetes.io/arch": architecture} for architecture in ("amd64", "arm")
    ]
    assert [pod["metadata"]["labels"]["yadokari.dev/platform"] for pod in pods] == [
        "linux-amd64",
        "linux-arm-v7",
    ]


def test_a_pod_that_vanishes_is_told_of_by_its_platform_and_followed_by_another() -> None:
    both = world()
    both.becomes("amd64", RUNNING)
    both.becomes("arm64", RUNNING)
    (gone,) = (name for name in both.pods if "arm64" in name)
    del both.pods[gone]
    decision = both.look()
    first = decision.events[0]
    assert (first.warning, first.reason) == (True, "Cancelled")
    assert f"{ARM64}: pod {gone} is gone" in first.message
    assert [name.removeprefix(gone[:-1]) for name in both.pods if "arm64" in name] == ["2"]
    assert [it.retries for it in both.settle().run.platforms] == [0, 0]


def test_one_platform_is_an_ordinary_build_for_it() -> None:
    only = world(ARM64)
    (pod,) = only.pods.values()
    asked = parse_arguments(arguments(pod))
    assert (asked.custom_platform, asked.push_by_digest) == (ARM64, False)
    assert pod["spec"]["nodeSelector"]["kubernetes.io/arch"] == "arm64"
    pod["status"] = built()
    status = only.settle()
    assert status.output
    assert (status.phase, status.output.digest, status.output.platforms) == ("Succeeded", DIGEST, ())


def test_a_node_of_another_architecture_is_the_specs_to_choose() -> None:
    executor = {"nodeSelector": {"kubernetes.io/arch": "amd64", "disk": "ssd"}}
    for pod in world(executor=executor).pods.values():
        assert pod["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux", **executor["nodeSelector"]}


def test_when_all_are_built_their_index_is_published_and_told() -> None:
    both = world()
    both.becomes("arm64", RUNNING)
    status = both.becomes("amd64", image("a"))
    assert (status.phase, len(both.pods)) == ("Building", 2)
    assert f"{AMD64}: built; {ARM64}: attempt 1 runs in pod" in status.message
    status = both.becomes("arm64", image("b", 9))
    assert (status.phase, status.reason) == ("Building", "Pushing")
    (index,) = (pod for name, pod in both.pods.items() if "-index-" in name)
    words, asked = parse_index(arguments(index)[1:], {})
    where = IMAGE.rpartition(":")[0]
    assert words == (f"{where}@sha256:{'a' * 64}", f"{where}@sha256:{'b' * 64}")
    assert asked.destinations == (IMAGE,)
    status = both.becomes("index", INDEXED)
    assert (status.phase, status.output and status.output.digest) == ("Succeeded", INDEX)
    assert status.output
    assert [(it.platform, it.digest[-1], it.size) for it in status.output.platforms] == [
        (AMD64, "a", 7),
        (ARM64, "b", 9),
    ]
    assert [base.reference for base in status.bases] == ["busybox:latest"]
    assert not any("-index-" in name for name in both.pods)
    assert status.last_succeeded
    assert status.last_succeeded.digest == INDEX


def summary(status: Status) -> str:
    return status.progress.summary if status.progress else ""


def test_what_is_shown_is_how_far_the_platform_has_come_that_is_furthest_back() -> None:
    both = world()
    both.becomes("amd64", RUNNING)
    assert summary(both.becomes("arm64", RUNNING)) == ""
    assert summary(both.prints("arm64", "Building", 3, 7)) == "Building 3/7 linux/arm64: RUN make"
    status = both.prints("amd64", "Building", 3, 7)
    assert summary(status) == "Building 3/7 linux/amd64: RUN make"
    assert status.progress
    assert (status.progress.platform, status.progress.step) == (AMD64, 3)
    assert summary(both.prints("amd64", "Pushing")) == "Building 3/7 linux/arm64: RUN make"
    assert summary(both.becomes("arm64", image("b"))) == "Pushing linux/amd64: RUN make"
    status = both.becomes("amd64", image("a"))
    assert (status.reason, status.progress) == ("Pushing", None)


def test_a_build_pushes_when_all_its_platforms_do() -> None:
    three = world(AMD64, ARM64, "linux/s390x")
    three.becomes("amd64", image("a"))
    three.becomes("arm64", RUNNING)
    assert three.prints("arm64", "Pushing").reason == "Building"
    three.becomes("s390x", RUNNING)
    assert three.settle().reason == "Building"
    assert three.prints("s390x", "Building", 1, 2).reason == "Building"
    assert three.prints("s390x", "Pushing").reason == "Pushing"


def test_an_operator_that_has_only_just_begun_shows_what_was_shown_before_for_each_platform() -> None:
    both = world()
    both.becomes("amd64", RUNNING)
    both.becomes("arm64", RUNNING)
    both.prints("arm64", "Building", 3, 7)
    both.prints("amd64", "Building", 4, 7)
    both.progress.clear()
    assert summary(both.settle()) == "Building 3/7 linux/arm64: RUN make"
    # Known of one of them already, and of the one furthest back not yet.
    assert summary(both.prints("amd64", "Building", 5, 7)) == "Building 3/7 linux/arm64: RUN make"
    both.progress.clear()
    assert summary(both.becomes("arm64", image("b"))) == ""


def test_a_platform_that_waits_for_another_attempt_shows_the_progress_of_those_that_run() -> None:
    both = world()
    both.becomes("amd64", RUNNING)
    both.becomes("arm64", RUNNING)
    both.prints("arm64", "Building", 1, 7)
    both.prints("amd64", "Building", 2, 7)
    status = both.becomes("arm64", failed(Reason.PUSH_FAILED))
    assert (status.reason, summary(status)) == ("PushFailed", "Building 2/7 linux/amd64: RUN make")


@pytest.mark.parametrize("policy", ["Queue", "Forbid"])
def test_progress_of_a_run_that_is_not_replaced_is_told_as_well(policy: str) -> None:
    both = world(concurrencyPolicy=policy)
    both.becomes("amd64", RUNNING)
    both.becomes("arm64", RUNNING)
    both.change(dockerfile="FROM scratch\n")
    assert summary(both.prints("arm64", "Building", 2, 7)) == "Building 2/7 linux/arm64: RUN make"


def test_a_platform_that_fails_ends_the_run_by_its_name_and_the_others_are_cancelled() -> None:
    both = world()
    both.becomes("amd64", RUNNING)
    status = both.becomes("arm64", failed(Reason.RUN_FAILED, line=3))
    assert status.phase == "Failed"
    assert status.failure
    assert (status.failure.reason, status.failure.line) == ("StepFailed", 3)
    assert status.message == f"{ARM64}: it failed"
    assert ["linux-arm64" in name for name in both.pods] == [True]


def test_attempts_are_counted_for_each_platform() -> None:
    both = world()
    both.becomes("amd64", RUNNING)
    status = both.becomes("arm64", failed(Reason.PUSH_FAILED))
    assert (status.phase, status.reason) == ("Building", "PushFailed")
    both.seconds = 60
    status = both.settle()
    assert [(it.platform, it.attempt, it.retries) for it in status.run.platforms] == [
        (AMD64, 1, 0),
        (ARM64, 2, 1),
    ]
    for attempt in range(2, 5):
        status = both.becomes("arm64", failed(Reason.PUSH_FAILED))
        both.seconds += 600
        status = both.settle()
        assert (status.phase == "Failed") == (attempt == 4)
    assert status.message == f"{ARM64}: it failed"


def test_a_pod_that_the_cluster_took_away_costs_no_retry_and_no_other_platform() -> None:
    both = world()
    both.becomes("amd64", image("a"))
    both.becomes("arm64", taken_away("Evicted"))
    both.seconds = 60
    status = both.settle()
    assert [(it.attempt, it.retries) for it in status.run.platforms] == [(1, 0), (2, 0)]


def test_an_image_that_is_pushed_is_known_without_its_pod() -> None:
    both = world(podRetention={"succeeded": "0s"})
    both.becomes("amd64", image("a"))
    assert not any("amd64" in name for name in both.pods)
    both.becomes("arm64", image("b"))
    assert both.becomes("index", INDEXED).phase == "Succeeded"


@pytest.mark.parametrize("kept", ["0s", "1h"])
def test_steps_are_those_of_all_platforms_and_of_each(kept: str) -> None:
    both = world(podRetention={"succeeded": kept})
    assert both.build.status.steps is None
    status = both.becomes("amd64", image("a", steps=3, total_steps=3, cached=2, misses=("one",)))
    assert status.steps
    assert (status.steps.current, status.steps.total, status.steps.cached) == (3, 3, 2)
    both.becomes("arm64", image("b", steps=3, total_steps=3, performed=2, missed=2, misses=("one", "two")))
    status = both.becomes("index", INDEXED)
    assert status.steps == Steps(
        current=6, total=6, cached=2, performed=2, missed=2, misses=("one", "two"), saved_seconds=0
    )
    assert [it.steps and it.steps.cached for it in status.run.platforms] == [2, 0]
    assert status.message.endswith(", for linux/amd64, linux/arm64, 2 of 4 steps from the cache")


def test_steps_of_a_platform_that_failed_are_counted_until_its_next_attempt_has_ended() -> None:
    both = world(retries=1)
    both.becomes("amd64", image("a", steps=3, total_steps=3, performed=2))
    failed = BuildResult(
        steps=1, total_steps=3, performed=1, failure=Failure(Reason.REGISTRY_ERROR, "it broke")
    )
    both.becomes("arm64", ended(20, format_result(failed)))
    both.seconds = 600
    status = both.settle()
    assert status.run.platforms[1].attempt == 2
    assert status.steps
    assert (status.steps.current, status.steps.total, status.steps.performed) == (4, 6, 3)
    status = both.becomes("arm64", image("b", steps=3, total_steps=3, performed=2))
    assert status.steps
    assert (status.steps.current, status.steps.performed) == (6, 4)


def test_a_missing_architecture_is_named_while_another_platform_is_built() -> None:
    both = world()
    both.becomes("amd64", RUNNING)
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes are available",
    }
    status = both.becomes("arm64", {"phase": "Pending", "conditions": [condition]})
    assert (status.phase, status.reason, status.conditions[0].status) == (
        "Building",
        "Unschedulable",
        "False",
    )
    needs = f"{ARM64} takes a node of architecture arm64: Unschedulable: 0/1 nodes are available"
    assert needs in status.message
    both.becomes("amd64", image("a"))
    both.seconds = 2 * 3600
    status = both.settle()
    assert (status.phase, status.reason) == ("Failed", "Unschedulable")
    assert needs in status.message


def test_suspension_ends_all_pods_and_what_is_pushed_is_not_built_again() -> None:
    both = world()
    both.becomes("amd64", image("a"))
    both.change(suspend=True)
    assert both.settle().phase == "Suspended"
    assert not any("arm64" in name for name in both.pods)
    both.change(suspend=False)
    both.settle()
    assert not any("amd64" in name and not both.has_ended(name) for name in both.pods)
    both.becomes("arm64", image("b"))
    assert both.becomes("index", INDEXED).phase == "Succeeded"


def test_a_platform_waits_for_its_turn_while_another_one_is_built() -> None:
    both = World(image_build({**SPEC, "platforms": [AMD64, ARM64]}))
    both.look()
    both.pods[next(iter(both.pods))]["status"] = RUNNING
    decision = both.look()
    assert decision.begins == "linux-arm64"
    status = held(both.observed, decision, Place(2, 3, 1), NOW).status
    assert (status.phase, status.reason) == ("Building", "Queued")
    assert f"{AMD64}: attempt 1 runs in pod" in status.message
    assert "number 2 of 3 in the queue" in status.message


@pytest.mark.parametrize(
    "executor", [{"image": "stranger.test/executor"}, {"serviceAccountName": "admin"}, {"lodging": "Always"}]
)
def test_no_index_is_published_by_a_pod_that_policies_forbid_however_late_that_is_asked_for(
    executor: dict[str, Any],
) -> None:
    both = world()
    bounds = {"executorImages": [], "serviceAccountNames": [], "lodging": "Never"}
    both.policies = (Policy.parse({"metadata": {"name": "all"}, "spec": {"bounds": bounds}}),)
    both.becomes("amd64", image("a"))
    both.change(executor=executor)
    status = both.becomes("arm64", image("b"))
    assert (status.phase, status.reason) == ("Failed", "PolicyViolation")
    assert not any("-index-" in name for name in both.pods)
    both.change(executor={})
    assert both.settle().phase == "Pending"


def test_an_index_goes_on_that_began_before_a_policy_forbade_it() -> None:
    both = world()
    both.becomes("amd64", image("a"))
    both.becomes("arm64", image("b"))
    bounds = {"registries": ["elsewhere.test"]}
    both.policies = (Policy.parse({"metadata": {"name": "all"}, "spec": {"bounds": bounds}}),)
    assert both.becomes("index", INDEXED).phase == "Succeeded"


def test_an_index_that_cannot_be_pushed_is_tried_again_and_fails_in_the_end() -> None:
    both = world(retries=1)
    both.becomes("amd64", image("a"))
    both.becomes("arm64", image("b"))
    broken = ended(21, format_index_result(IndexResult(failure=Failure("PushFailed", "503"))))
    assert both.becomes("index", broken).phase == "Retrying"
    both.seconds = 60
    both.settle()
    status = both.becomes("index", broken)
    assert (status.phase, status.message) == ("Failed", "the index of all platforms: 503")
    assert sum("-index-" in name for name in both.pods) == 2
    both.seconds = 100 * 3600
    both.settle()
    assert both.pods == {}


def test_a_run_is_known_while_the_last_platform_waits_for_its_turn() -> None:
    both = World(image_build({**SPEC, "platforms": [AMD64, ARM64]}))
    both.look()
    (first,) = both.pods
    both.pods[first]["status"] = image("a")
    decision = both.look()
    both.build = with_status(both.build, held(both.observed, decision, Place(1, 1, 1), NOW).status)
    both.pods = {first: both.pods[first]}
    both.change(timeout="2h")
    both.settle()
    assert {name.split("-")[1] for name in both.pods} == {first.split("-")[1]}
    assert len(both.pods) == 2


def test_a_new_run_waits_for_the_index_of_the_one_before_it() -> None:
    both = world()
    both.becomes("amd64", image("a"))
    both.becomes("arm64", image("b"))
    both.becomes("index", RUNNING)
    both.change(target="final")
    decision = both.look()
    assert decision.status.message == "the pod of the build before has to end first"
    both.settle()
    assert not any("-index-" in name for name in both.pods)
    assert sum(not both.has_ended(name) for name in both.pods) == 2


def test_an_errand_counts_as_no_build() -> None:
    both = world()
    both.becomes("amd64", image("a"))
    (name,) = (name for name in both.pods if "arm64" in name)
    both.pods[name]["status"] = image("b")
    decision = both.look()
    assert any(isinstance(it, Create) for it in decision.actions)
    assert decision.begins is None


@pytest.mark.parametrize("policy", ["Queue", "Forbid"])
def test_a_run_that_is_not_replaced_gets_its_index_at_its_own_destination(policy: str) -> None:
    both = world(concurrencyPolicy=policy)
    both.becomes("amd64", image("a"))
    both.change(dockerfile="FROM scratch\n", destinations=[{"image": "registry.test/other:2"}])
    status = both.settle()
    assert "the inputs have changed since" in status.message
    both.becomes("arm64", image("b"))
    (index,) = (pod for name, pod in both.pods.items() if "-index-" in name)
    assert parse_index(arguments(index)[1:], {})[1].destinations == (IMAGE,)
    status = both.becomes("index", INDEXED)
    first = next(it for it in status.history if it.number == 1)
    assert (first.result, first.digest) == ("Succeeded", INDEX)
    assert status.run.number == (2 if policy == "Queue" else 1)
    assert (status.reason == "ChangeForbidden") == (policy == "Forbid")


def test_images_that_were_there_already_are_told_as_that_and_their_index_has_the_mark() -> None:
    both = world()
    asked = [parse_arguments(arguments(pod)) for pod in both.pods.values()]
    assert all(it.unless_pushed and it.inputs_hash == both.build.status.inputs_hash for it in asked)
    for word, digit in (("amd64", "a"), ("arm64", "b")):
        both.becomes(
            word, ended(0, format_result(BuildResult(digest="sha256:" + digit * 64, already_pushed=True)))
        )
    (index,) = (pod for name, pod in both.pods.items() if "-index-" in name)
    marks = parse_index(arguments(index)[1:], {})[1].annotations
    assert dict(marks) == {"dev.yadokari.inputs-hash": both.build.status.inputs_hash}
    status = both.becomes("index", INDEXED)
    assert (status.phase, status.reason) == ("Succeeded", "AlreadyPushed")


@pytest.mark.parametrize("policy", ["Queue", "Forbid"])
def test_a_run_that_is_not_replaced_begins_its_other_platforms_as_well(policy: str) -> None:
    both = World(image_build({**SPEC, "platforms": [AMD64, ARM64], "concurrencyPolicy": policy}))
    both.look()
    (first,) = both.pods
    both.pods[first]["status"] = RUNNING
    # As where it waits for its turn while the spec changes.
    both.build = with_status(both.build, held(both.observed, both.look(), Place(1, 1, 1), NOW).status)
    both.pods = {first: both.pods[first]}
    both.change(dockerfile="FROM scratch\n")
    decision = both.look()
    assert decision.begins == "linux-arm64"
    # However long it waits, the message stays as long as it is.
    turn = held(both.observed, decision, Place(1, 1, 1), NOW).status
    both.pods = {first: both.pods[first]}
    both.build = with_status(both.build, turn)
    decision = both.look()
    assert held(both.observed, decision, Place(1, 1, 1), NOW).status.message == turn.message
    both.settle()
    amd64, arm64 = both.pods.values()
    asked = parse_arguments(arguments(arm64))
    assert asked == replace(parse_arguments(arguments(amd64)), custom_platform=ARM64)
    assert arm64["spec"]["volumes"] == amd64["spec"]["volumes"]
    assert arm64["spec"]["nodeSelector"]["kubernetes.io/arch"] == "arm64"
    both.becomes("amd64", image("a"))
    both.becomes("arm64", image("b"))
    status = both.becomes("index", INDEXED)
    assert next(it for it in status.history if it.number == 1).digest == INDEX


@pytest.mark.parametrize("policy", ["Queue", "Forbid"])
def test_a_platform_of_a_run_that_is_not_replaced_is_tried_again(policy: str) -> None:
    both = world(concurrencyPolicy=policy)
    both.becomes("amd64", image("a"))
    both.change(dockerfile="FROM scratch\n")
    assert both.becomes("arm64", failed(Reason.PUSH_FAILED)).phase == "Retrying"
    both.seconds = 60
    assert [(it.attempt, it.retries) for it in both.settle().run.platforms] == [(1, 0), (2, 1)]
    both.becomes("arm64", image("b"))
    status = both.becomes("index", INDEXED)
    assert next(it for it in status.history if it.number == 1).result == "Succeeded"


@pytest.mark.parametrize("policy", ["Queue", "Forbid"])
def test_a_platform_of_a_run_that_is_not_replaced_fails_it_by_its_name(policy: str) -> None:
    both = world(concurrencyPolicy=policy)
    first = run_in("app", next(iter(both.pods)))
    both.becomes("amd64", RUNNING)
    both.change(dockerfile="FROM scratch\n")
    status = both.becomes("arm64", failed(Reason.RUN_FAILED))
    assert status.history[0].failure == "StepFailed"
    assert status.run.number == (2 if policy == "Queue" else 1)
    assert [name for name in both.pods if not both.has_ended(name) and run_in("app", name) == first] == []


def test_a_platform_that_takes_too_long_fails_the_run_by_its_name() -> None:
    both = world(timeout="10m")
    both.becomes("amd64", image("a"))
    both.becomes("arm64", RUNNING | {"startTime": time(0)})
    both.seconds = 700
    status = both.settle()
    assert (status.phase, status.reason) == ("Failed", "Timeout")
    assert status.message.startswith(f"{ARM64}: the build took longer than its timeout of 10m")
    assert not any("arm64" in name for name in both.pods)


def test_annotations_are_those_of_each_image_and_of_their_index() -> None:
    annotations = {"org.opencontainers.image.url": "https://site.test/?a=b", "note": "two words"}
    both = world(output={"annotations": annotations})
    asked = [parse_arguments(arguments(pod)) for pod in both.pods.values()]
    assert [dict(it.annotations) for it in asked] == [annotations, annotations]
    mark = {"dev.yadokari.inputs-hash": both.build.status.inputs_hash}
    both.becomes("amd64", image("a"))
    both.becomes("arm64", image("b"))
    assert published_with(both) == annotations | mark


@pytest.mark.parametrize("policy", ["Queue", "Forbid"])
def test_the_index_of_a_run_that_is_not_replaced_has_the_annotations_of_that_run(policy: str) -> None:
    both = world(output={"annotations": {"a": "b=c"}}, concurrencyPolicy=policy)
    mark = {"dev.yadokari.inputs-hash": both.build.status.inputs_hash}
    both.becomes("amd64", image("a"))
    both.change(output={"annotations": {"other": "one"}})
    both.becomes("arm64", image("b"))
    assert published_with(both) == {"a": "b=c"} | mark


def published_with(both: World) -> dict[str, str]:
    """Tell the annotations with which an index is published."""
    (index,) = (pod for name, pod in both.pods.items() if "-index-" in name)
    return dict(parse_index(arguments(index)[1:], {})[1].annotations)


def test_platforms_make_the_image_in_whatever_order() -> None:
    both = world()
    first = both.build.status.inputs_hash
    assert first != world(AMD64).build.status.inputs_hash
    assert first == world(ARM64, AMD64).build.status.inputs_hash


def test_the_publishing_of_an_index_is_in_the_trace_with_each_of_its_attempts() -> None:
    both = world(retries=1)
    both.becomes("amd64", image("a"))
    both.becomes("arm64", image("b"))
    broken = ended(21, format_index_result(IndexResult(failure=Failure("PushFailed", "503"))))
    both.becomes("index", broken)
    both.seconds = 60
    both.settle()
    first, second = sorted(name for name in both.pods if "-index-" in name)
    both.pods[second]["status"] = INDEXED
    decision = both.look()
    seen = Reconciled(decision.status, NOW, NOW)
    pods: list[Pod | ErrandPod] = [*both.observed.pods, *both.observed.errands]
    spans = list(run.ended(both.observed.build, pods, seen))
    root, published = spans[0], [span for span in spans if span.name == "publish"]
    assert {span.parent for span in published} == {root.context.span}
    assert {(it.attributes["k8s.pod.name"], it.error) for it in published} == {(first, "503"), (second, None)}
