"""The operator as a process of the host, in a namespace of a real cluster for each module of tests."""

import copy
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from support.cluster import Cluster
from support.operator_process import BUILT, Builds, Kubectl, OperatorProcess, install
from yadokari_api.imagebuild import ImageBuild
from yadokari_api.spec import ImageBuildSpec
from yadokari_operator.pods.arguments import Task
from yadokari_operator.pods.inputs.gathered import Inputs, gather, run_of
from yadokari_operator.pods.render import Attempt, config_maps, pod
from yadokari_operator.settings import Settings


@pytest.fixture(scope="module")
def kubectl(cluster: Cluster) -> Iterator[Kubectl]:
    namespace = f"operator-{uuid.uuid4().hex[:8]}"
    kubectl = Kubectl(cluster, namespace)
    kubectl("create", "namespace", namespace)
    kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=baseline")
    yield kubectl
    kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture(scope="module")
def stand_in(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image that runs its Dockerfile as a shell script; its runtime is nothing but folders."""
    layout = f"{tmp_path_factory.mktemp('stand-in')}/oci:1"
    script = (
        'case $0 in copy-runtime) cd "$1"; exec mkdir work tmp input ;; esac;'
        " exec sh /yadokari/input/dockerfile/Dockerfile"
    )
    image = f"{cluster.registry}/test/stand-in:1"
    for command in (
        [
            "skopeo",
            "copy",
            "--src-tls-verify=false",
            f"docker://{cluster.registry}/library/busybox",
            f"oci:{layout}",
        ],
        [
            "umoci",
            "config",
            "--image",
            layout,
            *(f"--config.entrypoint={word}" for word in ("sh", "-c", script)),
        ],
        ["skopeo", "copy", "--dest-tls-verify=false", f"oci:{layout}", f"docker://{image}"],
    ):
        subprocess.run(command, check=True, capture_output=True)
    return image


@pytest.fixture(scope="module")
def _alone(cluster: Cluster) -> Iterator[None]:
    """Let no other operator work meanwhile: tests of the installation leave one, for all namespaces."""
    system = ("-n", "yadokari-system")
    installed = "yadokari" in cluster.kubectl(*system, "get", "deployments", "-o", "name")
    if installed:
        cluster.kubectl(*system, "scale", "deployment/yadokari", "--replicas=0")
        operators = ("pod", "-l", "app.kubernetes.io/name=yadokari")
        cluster.kubectl(*system, "wait", "--for=delete", *operators, "--timeout=60s")
    yield
    if installed:
        cluster.kubectl(*system, "scale", "deployment/yadokari", "--replicas=1")


@pytest.fixture(scope="module")
def stopped_operator(
    kubectl: Kubectl, _alone: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """An operator that is installed, for a test to start."""
    folder = tmp_path_factory.mktemp("operator")
    operator = OperatorProcess(install(kubectl, folder), kubectl.namespace, folder / "log")
    yield operator
    operator.stop()
    print(operator.log)


@pytest.fixture(scope="module")
def operator(stopped_operator: OperatorProcess) -> OperatorProcess:
    stopped_operator.start()
    return stopped_operator


@pytest.fixture
def builds(kubectl: Kubectl, stand_in: str, operator: OperatorProcess) -> Builds:
    """ImageBuilds in a namespace that the operator serves."""
    return Builds(kubectl, stand_in)


@dataclass(frozen=True, slots=True)
class Unseen:
    """An ImageBuild that the operator has not seen, and what it is going to make for it."""

    name: str
    builds: Builds
    build: ImageBuild
    inputs: Inputs
    run: str

    def pod(self, number: int = 1) -> dict[str, Any]:
        """The pod of an attempt as the operator would make it."""
        attempt = Attempt(run=self.run, number=number, retries=0, task=Task(adopts=True))
        return copy.deepcopy(pod(self.build, self.inputs, Settings(), attempt))

    def config_map(self) -> dict[str, Any]:
        """The ConfigMap with the Dockerfile."""
        (made,) = config_maps(self.build, self.inputs, self.run)
        return copy.deepcopy(made)


@pytest.fixture
def unseen(
    kubectl: Kubectl, stand_in: str, operator: OperatorProcess, request: pytest.FixtureRequest
) -> Iterator[Unseen]:
    """An ImageBuild that is there while the operator is stopped; the test starts it."""
    name = request.function.__name__.replace("_", "-")[5:40].strip("-")
    operator.stop()
    builds = Builds(kubectl, stand_in)
    builds.apply(name, BUILT)
    build = ImageBuild.parse(kubectl.get("imagebuild", name))
    inputs = gather(ImageBuildSpec.model_validate(build.spec), {})
    assert isinstance(inputs, Inputs)
    yield Unseen(name, builds, build, inputs, run_of(build, inputs))
    operator.stop()
    operator.start()
