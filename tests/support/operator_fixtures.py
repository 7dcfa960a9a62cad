"""The operator as a process of the host, in a namespace of a real cluster for each module of tests."""

import socket
import subprocess
import uuid
from collections.abc import Iterator

import pytest

from support.cluster import Cluster
from support.operator_process import Builds, Kubectl, OperatorProcess, install


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
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    operator = OperatorProcess(install(kubectl, folder), kubectl.namespace, port, folder / "log")
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
