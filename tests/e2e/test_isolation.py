"""Steps in namespaces of their own on real nodes: with what components/namespaces brings, and without it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.attack import CAN_BE_WRITTEN, WRITES_THE_RUNTIME, has_kept_the_runtime
from support.cluster import Cluster
from support.imagebuilds import Builds
from support.installation import Installation
from yadokari_operator.pods import runtime

pytestmark = pytest.mark.cluster

COMPONENT = Path(__file__).parents[2] / "kustomize" / "components" / "namespaces"
DOCKERFILE = "FROM busybox\nRUN echo number $$; ls -d /yadokari || ! busybox unshare -U true\n"


@pytest.fixture
def installer(cluster: Cluster, installation: Installation, namespace: str) -> None:
    """The component's DaemonSet, which has written the profile on every node."""
    daemon_set = yaml.safe_load((COMPONENT / "daemonset.yaml").read_text())
    spec = daemon_set["spec"]["template"]["spec"]
    spec["containers"][0]["image"] = installation.executor_image
    for volume in spec["volumes"]:
        if "hostPath" in volume:
            below = volume["hostPath"]["path"].removeprefix("/var/lib/kubelet")
            volume["hostPath"]["path"] = f"{cluster.kubelet}{below}"
    profile = f"--from-file=namespaces.json={COMPONENT}/seccomp.json"
    cluster.kubectl("-n", namespace, "create", "configmap", "yadokari-seccomp", profile)
    cluster.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(daemon_set))
    cluster.kubectl("-n", namespace, "rollout", "status", "daemonset/yadokari-seccomp", "--timeout=120s")


@pytest.fixture
def executor(cluster: Cluster, installation: Installation, namespace: str) -> dict[str, Any]:
    """A pod that builds, as components/namespaces has the operator make them, with an image volume."""
    cluster.kubectl(
        "-n", namespace, "create", "configmap", "context", f"--from-literal=Dockerfile={DOCKERFILE}"
    )
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "executor"},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {
                "seccompProfile": {"type": "Localhost", "localhostProfile": "yadokari/namespaces.json"}
            },
            "containers": [
                {
                    "name": "executor",
                    "image": installation.executor_image,
                    "args": ["--context=/yadokari/input/context", "--no-push", "--isolation=namespaces"],
                    "env": [{"name": "KANIKO_REGISTRY_MIRROR", "value": f"http://{cluster.registry}"}],
                    "securityContext": {"capabilities": {"drop": ["NET_RAW"]}},
                    "volumeMounts": [
                        *runtime.mounts("ImageVolume"),
                        {"name": "context", "mountPath": "/yadokari/input/context"},
                    ],
                }
            ],
            "volumes": [
                *runtime.volumes("ImageVolume", installation.executor_image),
                {"name": "context", "configMap": {"name": "context"}},
            ],
        },
    }


def log_of(cluster: Cluster, namespace: str, pod: dict[str, Any]) -> str:
    """Run a pod to its end; returns what it says."""
    ended = "--for=jsonpath={.status.containerStatuses[0].state.terminated}"
    cluster.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(pod))
    cluster.kubectl("-n", namespace, "wait", "pod/executor", ended, "--timeout=120s")
    return cluster.kubectl("-n", namespace, "logs", "executor")


@pytest.mark.usefixtures("installer")
def test_the_profile_that_is_installed_gives_steps_namespaces(
    cluster: Cluster, namespace: str, executor: dict[str, Any]
) -> None:
    log = log_of(cluster, namespace, executor)
    assert "isolation: namespaces: each step is a container of its own; it sees the pod's /proc" in log
    assert "\nnumber 1\n" in log
    assert not log.startswith(CAN_BE_WRITTEN)
    assert "unshare(0x10000000): Operation not permitted" in log
    assert "\nbuilt " in log


@pytest.mark.usefixtures("installer")
def test_user_namespaces_besides_give_them_a_proc_of_their_own(
    cluster: Cluster, namespace: str, executor: dict[str, Any]
) -> None:
    executor["spec"]["hostUsers"] = False
    executor["spec"]["containers"][0]["securityContext"]["procMount"] = "Unmasked"
    log = log_of(cluster, namespace, executor)
    assert "isolation: namespaces: each step is a container of its own\n" in log
    assert "\nnumber 1\n" in log
    assert not log.startswith(CAN_BE_WRITTEN)
    assert "\nbuilt " in log


@pytest.mark.parametrize("way", ["ImageVolume", "InitContainer"])
def test_steps_change_nothing_of_the_executor_however_it_came_into_its_pod(
    cluster: Cluster, builds: Builds, way: str
) -> None:
    image = f"{cluster.registry}/team/{builds.namespace}:{way.lower()}"
    builds.apply("hostile", WRITES_THE_RUNTIME, image, executor={"runtime": way, "isolation": "Shared"})
    status = builds.wait_until_done("hostile")
    assert status["phase"] == "Succeeded", status["message"]
    pod = json.loads(
        cluster.kubectl("-n", builds.namespace, "get", "pod", status["run"]["pod"], "-o", "json")
    )
    assert any("image" in volume for volume in pod["spec"]["volumes"]) == (way == "ImageVolume")
    assert ("initContainers" in pod["spec"]) == (way == "InitContainer")
    assert has_kept_the_runtime(cluster.kubectl("-n", builds.namespace, "logs", status["run"]["pod"]))
