"""The cluster itself does what the other tests rely on."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from support.cluster import Cluster

pytestmark = pytest.mark.cluster

RunPod = Callable[[str], tuple[str, str]]


@pytest.fixture
def run_in_pod(cluster: Cluster) -> Iterator[RunPod]:
    """Run a shell command in a pod and return the pod's phase and log."""

    def run(command: str) -> tuple[str, str]:
        cluster.kubectl("apply", "--filename", "-", input=json.dumps(_pod(cluster, command)))
        deadline = time.monotonic() + 60
        while (phase := _phase(cluster)) not in {"Succeeded", "Failed"}:
            assert time.monotonic() < deadline, cluster.kubectl("describe", "pod", "cluster-test")
            time.sleep(0.2)
        return phase, cluster.kubectl("logs", "cluster-test")

    yield run
    cluster.kubectl("delete", "pod", "cluster-test", "--ignore-not-found", "--now")


def test_the_node_is_ready_and_under_no_pressure(cluster: Cluster) -> None:
    node = json.loads(cluster.kubectl("get", "nodes", "--output", "json"))["items"][0]
    conditions = {condition["type"]: condition["status"] for condition in node["status"]["conditions"]}
    assert conditions == {
        "Ready": "True",
        "MemoryPressure": "False",
        "DiskPressure": "False",
        "PIDPressure": "False",
    }
    assert "taints" not in node["spec"]


def test_a_pod_reaches_the_api_by_the_service_address(run_in_pod: RunPod) -> None:
    phase, log = run_in_pod(
        "nc -w 5 $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT </dev/null && echo reached"
    )
    assert (phase, log) == ("Succeeded", "reached\n")


def test_a_pod_reaches_the_registry_under_the_name_that_the_machine_uses(
    cluster: Cluster, run_in_pod: RunPod
) -> None:
    url = f"http://{cluster.registry}/v2/_catalog"
    phase, log = run_in_pod(f"wget -q -O - {url}")
    with urllib.request.urlopen(url) as answer:
        assert (phase, json.loads(log)) == ("Succeeded", json.load(answer))


def test_the_exit_code_of_a_pod_comes_through(cluster: Cluster, run_in_pod: RunPod) -> None:
    phase, _ = run_in_pod("exit 11")
    status = json.loads(cluster.kubectl("get", "pod", "cluster-test", "--output", "json"))["status"]
    assert phase == "Failed"
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 11


def test_a_service_account_may_do_nothing_that_no_role_allows(cluster: Cluster) -> None:
    me = "--as=system:serviceaccount:default:default"
    allowed = cluster.kubectl("auth", "can-i", "--list", "--no-headers", me)
    assert "secrets" not in allowed
    assert "pods" not in allowed


def _pod(cluster: Cluster, command: str) -> dict[str, object]:
    image = f"{cluster.mirror}/library/busybox:latest" if cluster.mirror else "busybox:latest"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "cluster-test"},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "shell", "image": image, "command": ["sh", "-c", command]}],
        },
    }


def _phase(cluster: Cluster) -> str:
    return cluster.kubectl("get", "pod", "cluster-test", "--output", "jsonpath={.status.phase}")
