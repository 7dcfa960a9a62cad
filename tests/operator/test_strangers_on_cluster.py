"""What others made, or an earlier ImageBuild left, on a real cluster."""

import copy
from typing import Any

import pytest

from support.operator_process import BUILT, Builds, Kubectl, OperatorProcess, wait_until
from yadokari_api.imagebuild import ImageBuild
from yadokari_api.spec import ImageBuildSpec
from yadokari_operator.pods.inputs import Inputs, gather, run_of
from yadokari_operator.pods.render import config_maps

pytestmark = pytest.mark.cluster


def test_a_recreated_image_build_replaces_what_the_earlier_one_left(builds: Builds) -> None:
    builds.apply("orphans", f"sleep 5\n{BUILT}")
    old = builds.wait_for_phase("orphans", "Building")["podName"]
    builds.kubectl("delete", "ib", "orphans", "--cascade=orphan")
    assert builds.pods("orphans") == [old]
    builds.apply("orphans", f"sleep 5\n{BUILT}")
    new = builds.wait_for_phase("orphans", "Succeeded")["podName"]
    assert new != old
    wait_until(lambda: builds.pods("orphans") == [new])
    wait_until(lambda: builds.config_maps("orphans") == [])


def test_an_image_build_deleted_and_made_again_at_once_is_built(builds: Builds) -> None:
    builds.apply("again", f"sleep 60\n{BUILT}")
    old = builds.wait_for_phase("again", "Building")["podName"]
    builds.kubectl("delete", "ib", "again")
    builds.apply("again", BUILT)
    assert builds.wait_for_phase("again", "Succeeded", seconds=60)["podName"] != old


@pytest.fixture
def prepared(
    kubectl: Kubectl, stand_in: str, operator: OperatorProcess, request: pytest.FixtureRequest
) -> Any:
    """An ImageBuild that the operator has not seen, and the ConfigMap that it is going to make for it."""
    name = request.function.__name__.replace("_", "-")[5:40].strip("-")
    operator.stop()
    builds = Builds(kubectl, stand_in)
    builds.apply(name, BUILT)
    build = ImageBuild.parse(kubectl.get("imagebuild", name))
    inputs = gather(ImageBuildSpec.model_validate(build.spec), {})
    assert isinstance(inputs, Inputs)
    (manifest,) = config_maps(build, inputs, run_of(build, inputs))
    yield name, builds, copy.deepcopy(manifest)
    operator.start()


def test_a_config_map_that_somebody_made_in_our_name_is_replaced(
    prepared: Any, operator: OperatorProcess
) -> None:
    name, builds, manifest = prepared
    manifest["data"] = {"Dockerfile": "exit 99"}
    builds.kubectl("create", "-f", "-", stdin=manifest)
    operator.start()
    builds.wait_for_phase(name, "Succeeded")
    operator.stop()


def test_a_config_map_of_somebody_else_is_left_alone_and_told_of(
    prepared: Any, operator: OperatorProcess
) -> None:
    name, builds, manifest = prepared
    theirs = manifest["metadata"]["name"]
    builds.kubectl("create", "configmap", theirs, "--from-literal=Dockerfile=exit 99")
    operator.start()
    message = builds.wait_for_reason(name, "PodRejected")["message"]
    assert f"{theirs} exists and belongs to something else" in message
    assert builds.kubectl.get("configmap", theirs)["data"] == {"Dockerfile": "exit 99"}
    builds.kubectl("delete", "configmap", theirs)
    builds.wait_for_phase(name, "Succeeded")
    operator.stop()
