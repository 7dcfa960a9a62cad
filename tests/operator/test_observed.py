import copy
from collections.abc import Callable
from typing import Any

import pytest

from support import resources
from support.resources import SPEC, image_build, knowing, pod_resource, time
from yadokari_api.spec import ImageBuildSpec
from yadokari_api.status import Status
from yadokari_operator.pods import render
from yadokari_operator.pods.inputs.gathered import Inputs, gather
from yadokari_operator.pods.observed import (
    Pod,
    Standing,
    is_stuck,
    known_pods,
    parse_owned_config_map,
    parse_pod,
)
from yadokari_operator.pods.outcome import Running
from yadokari_operator.settings import Settings

RUN = "0123456789"


def inputs() -> Inputs:
    found = gather(ImageBuildSpec.model_validate(SPEC), {})
    assert isinstance(found, Inputs)
    return found


def resource(**status: Any) -> dict[str, Any]:
    attempt = render.Attempt(run=RUN, number=2, retries=1)
    manifest = render.pod(image_build(generation=3), inputs(), Settings(), attempt)
    return pod_resource(manifest, status or resources.RUNNING)


def parsed(changed: dict[str, Any]) -> Pod:
    found = parse_pod(changed, knowing(image_build(), changed))
    assert found is not None
    return found


def test_a_pod_is_read_as_it_was_written() -> None:
    pod = parsed(resource())
    assert (pod.name, pod.uid) == (f"app-{RUN}-2", f"uid of app-{RUN}-2")
    assert (pod.run, pod.attempt, pod.retries, pod.generation) == (RUN, 2, 1, 3)
    assert (pod.standing, pod.limit, pod.outcome, pod.deleted) == (Standing.OURS, 3600, Running(), None)
    assert pod.accepted is not None
    assert pod.accepted.isoformat() == time(60).replace("Z", "+00:00")


@pytest.mark.parametrize("missing", ["labels", "annotations"])
def test_a_pod_without_our_marks_is_known_by_its_name(missing: str) -> None:
    bare = resource()
    del bare["metadata"][missing]
    pod = parsed(bare)
    assert (pod.run, pod.attempt) == (RUN, 2)


@pytest.mark.parametrize("value", ["", "-1", "many", "9" * 5000, "\u0661", "1e9", " 1", "0x1"])
def test_a_number_that_is_none_counts_as_nothing(value: str) -> None:
    absurd = resource()
    absurd["metadata"]["annotations"] = {"yadokari.dev/retries": value, "yadokari.dev/generation": value}
    absurd["metadata"]["labels"]["yadokari.dev/attempt"] = value
    pod = parsed(absurd)
    assert (pod.attempt, pod.retries, pod.generation) == (2, 0, 0)


def test_a_pod_that_says_nothing_of_itself_is_read() -> None:
    silent = resource()
    del silent["spec"], silent["status"]
    pod = parsed(silent)
    assert (pod.accepted, pod.limit, pod.finished) == (None, None, None)


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def apply(metadata: dict[str, Any]) -> None:
        *folders, last = path.split(".")
        at: Any = metadata
        for folder in folders:
            at = at[int(folder)] if folder.isdigit() else at[folder]
        at[last] = value

    return apply


STANDINGS = [
    (change("name", f"app-{RUN}-2"), Standing.OURS),
    (change("ownerReferences.0.uid", "u0"), Standing.EARLIER),
    (change("ownerReferences", []), Standing.LEFT),
    (change("ownerReferences.0.controller", False), Standing.EARLIER),
    (
        change("ownerReferences", [{"kind": "ReplicaSet", "name": "app", "uid": "r", "controller": True}]),
        None,
    ),
    (change("name", "app"), None),
    (change("name", f"app-{RUN}-02"), None),
    (change("name", f"other-{RUN}-2"), None),
]


@pytest.mark.parametrize(("changed", "standing"), STANDINGS)
def test_whose_a_pod_is_tells_its_controller(
    changed: Callable[[dict[str, Any]], None], standing: Standing | None
) -> None:
    found = resource()
    changed(found["metadata"])
    pod = parse_pod(found, knowing(image_build(), found))
    assert (pod and pod.standing) == standing


@pytest.mark.parametrize(
    "label", ["app.kubernetes.io/managed-by", "yadokari.dev/imagebuild", "yadokari.dev/run"]
)
def test_a_pod_without_owner_is_left_by_us_only_if_all_labels_say_so(label: str) -> None:
    found = resource()
    found["metadata"]["ownerReferences"] = []
    found["metadata"]["labels"][label] = "somebody"
    assert parse_pod(found, knowing(image_build(), found)) is None


def config_map() -> dict[str, Any]:
    (made,) = render.config_maps(image_build(), inputs(), RUN)
    return copy.deepcopy(made) | {"metadata": made["metadata"] | {"uid": "m1"}}


def test_a_config_map_is_read_as_it_was_written() -> None:
    found = parse_owned_config_map(config_map(), image_build())
    assert found is not None
    assert (found.name, found.uid, found.run) == (f"app-{RUN}", "m1", RUN)


def test_a_config_map_of_somebody_else_or_of_an_earlier_image_build_is_not_ours_to_delete() -> None:
    for changed in (
        change("ownerReferences.0.uid", "u0"),
        change("name", "app"),
        change("ownerReferences", [{"kind": "Deployment", "name": "app", "uid": "d"}]),
    ):
        found = config_map()
        changed(found["metadata"])
        assert parse_owned_config_map(found, image_build()) is None


def test_a_pod_that_the_status_does_not_name_is_none_of_ours_whatever_it_says_of_itself() -> None:
    forged = resource()
    forged["metadata"]["uid"] = "another"
    assert parse_pod(forged, knowing(image_build(), resource())) is None
    assert parse_pod(forged, image_build()) is None


def test_pods_of_a_version_that_did_not_name_them_are_known_by_name_and_owner() -> None:
    build = image_build(status=Status(observed_generation=1))
    assert parse_pod(resource(), build) is not None


def test_the_pods_that_are_known_are_those_before_that_are_there_and_those_made_now() -> None:
    pod = parsed(resource())
    assert known_pods(None, [], []) == ()
    assert known_pods(("gone", pod.uid), [pod], []) == ("gone", pod.uid)
    assert known_pods(("gone", pod.uid), [pod], ["new"]) == (pod.uid, "new")
    assert known_pods(None, [pod], []) == (pod.uid,)


def test_a_name_is_taken_by_a_forged_pod_that_somebody_keeps_from_going() -> None:
    forged = resource()
    assert not is_stuck(forged, image_build())
    forged["metadata"]["deletionTimestamp"] = time(0)
    assert is_stuck(forged, image_build())
    assert not is_stuck(forged, knowing(image_build(), forged))
