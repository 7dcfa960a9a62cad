"""What others made, or an earlier ImageBuild left, on a real cluster."""

import json

import pytest

from support.operator_fixtures import Unseen
from support.operator_process import BUILT, Builds, OperatorProcess, wait_until

pytestmark = pytest.mark.cluster


def test_a_recreated_image_build_replaces_what_the_earlier_one_left(builds: Builds) -> None:
    builds.apply("orphans", "trap 'exit 143' TERM; sleep 60 & wait")
    old = builds.wait_for_phase("orphans", "Building")["run"]["pod"]
    builds.kubectl("delete", "ib", "orphans", "--cascade=orphan")
    assert builds.pods("orphans") == [old]
    builds.apply("orphans", f"sleep 1\n{BUILT}")
    new = builds.wait_for_phase("orphans", "Succeeded")["run"]["pod"]
    assert new != old
    wait_until(lambda: builds.pods("orphans") == [new])
    wait_until(lambda: builds.config_maps("orphans") == [])


def test_an_image_build_deleted_and_made_again_at_once_is_built(builds: Builds) -> None:
    builds.apply("again", f"trap 'exit 143' TERM; sleep 60 & wait\n{BUILT}")
    old = builds.wait_for_phase("again", "Building")["run"]["pod"]
    builds.kubectl("delete", "ib", "again")
    builds.apply("again", BUILT)
    assert builds.wait_for_phase("again", "Succeeded", seconds=60)["run"]["pod"] != old


def test_a_config_map_that_somebody_made_in_our_name_is_replaced(
    unseen: Unseen, operator: OperatorProcess
) -> None:
    builds, manifest = unseen.builds, unseen.config_map()
    manifest["data"] = {"Dockerfile": "exit 99"}
    builds.kubectl("create", "-f", "-", stdin=manifest)
    operator.start()
    builds.wait_for_phase(unseen.name, "Succeeded")


def test_a_config_map_of_somebody_else_is_left_alone_and_told_of(
    unseen: Unseen, operator: OperatorProcess
) -> None:
    name, builds, theirs = unseen.name, unseen.builds, unseen.config_map()["metadata"]["name"]
    builds.kubectl("create", "configmap", theirs, "--from-literal=Dockerfile=exit 99")
    operator.start()
    message = builds.wait_for_reason(name, "PodRejected")["message"]
    assert f"{theirs} exists and belongs to something else" in message
    assert builds.kubectl.get("configmap", theirs)["data"] == {"Dockerfile": "exit 99"}
    builds.kubectl("delete", "configmap", theirs)
    builds.wait_for_phase(name, "Succeeded")


def test_a_build_with_a_container_beside_it_ends_when_the_executor_does(
    unseen: Unseen, operator: OperatorProcess
) -> None:
    builds, made = unseen.builds, unseen.pod()
    executor = made["spec"]["containers"][0]
    beside = {"name": "proxy", "image": executor["image"], "command": ["sleep", "600"]}
    made["spec"]["containers"] = [beside, executor]
    for manifest in (unseen.config_map(), made):
        builds.kubectl("create", "-f", "-", stdin=manifest)
    # The cluster adds such a container to the pod that the operator makes.
    uid = builds.kubectl.get("pod", made["metadata"]["name"])["metadata"]["uid"]
    known = json.dumps({"status": {"podUids": [uid]}})
    builds.kubectl("patch", "ib", unseen.name, "--subresource=status", "--type=merge", "-p", known)
    operator.start()
    builds.wait_for_phase(unseen.name, "Succeeded", seconds=20)
    assert builds.kubectl.get("pod", made["metadata"]["name"])["status"]["phase"] == "Running"
    wait_until(lambda: builds.pods(unseen.name) == [], seconds=40)
