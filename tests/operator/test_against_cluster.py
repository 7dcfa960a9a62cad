"""The operator against a real cluster; a shell script stands in for the executor."""

import json
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from support.cluster import Cluster, KubectlError
from support.operator_process import Builds, Kubectl, OperatorProcess, install
from yadokari_contract.exitcodes import ExitCode
from yadokari_contract.result import BuildResult, Failure, format_result

pytestmark = pytest.mark.cluster

DIGEST = "sha256:" + "1" * 64
MESSAGE = "/dev/termination-log"


def says(result: BuildResult) -> str:
    return f"cat > {MESSAGE} <<'EOF'\n{format_result(result)}\nEOF\n"


BUILT = says(BuildResult(digest=DIGEST))


def fails(reason: str, message: str, line: int, code: int) -> str:
    return says(BuildResult(failure=Failure(reason, message, line))) + f"exit {code}\n"


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
    """An image that runs its Dockerfile as a shell script."""
    layout = f"{tmp_path_factory.mktemp('stand-in')}/oci:1"
    script = "exec sh /yadokari/input/dockerfile/Dockerfile"
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
def operator(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    folder = tmp_path_factory.mktemp("operator")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {"YADOKARI_NAMESPACE": kubectl.namespace, "YADOKARI_HEALTH_ADDRESS": f"127.0.0.1:{port}"}
    operator = OperatorProcess(install(kubectl, folder), settings, folder / "log")
    operator.start()
    yield operator
    operator.stop()
    print(operator.log)


@pytest.fixture
def builds(kubectl: Kubectl, stand_in: str, operator: OperatorProcess) -> Builds:
    return Builds(kubectl, stand_in)


def test_a_build_goes_from_pending_to_succeeded(builds: Builds) -> None:
    builds.apply("good", f"sleep 2\n{BUILT}")
    status = builds.wait_for_phase("good", "Succeeded")
    assert (status["digest"], status["image"]) == (DIGEST, "registry.test/app:1")
    assert {c["type"]: c["status"] for c in status["conditions"]} == {
        "Ready": "True",
        "Reconciling": "False",
        "Stalled": "False",
        "Succeeded": "True",
    }
    assert builds.events("good") == [("Normal", "Building"), ("Normal", "Succeeded")]
    builds.kubectl("wait", "--for=condition=Ready", "ib/good", "--timeout=1s")
    columns = builds.kubectl("get", "ib", "good", "-o", "wide").splitlines()
    assert columns[0].split() == ["NAME", "READY", "STATUS", "IMAGE", "DIGEST", "DURATION", "AGE"]
    assert columns[1].split()[:5] == ["good", "True", "Succeeded", "registry.test/app:1", DIGEST]


def test_a_failed_build_is_stalled_and_says_why(builds: Builds) -> None:
    builds.apply("bad", fails("RunFailed", "Dockerfile:3: exit code 7", 3, ExitCode.RUN_FAILED))
    status = builds.wait_for_phase("bad", "Failed")
    assert status["failure"]["line"] == 3
    assert ("Warning", "RunFailed") in builds.events("bad")
    assert "Dockerfile:3: exit code 7" in builds.kubectl("describe", "ib", "bad")


def test_an_executor_that_dies_without_a_word_leaves_its_log(builds: Builds) -> None:
    builds.apply("crash", "echo Traceback: lost; exit 1")
    failure = builds.wait_for_phase("crash", "Failed")["failure"]
    assert failure["reason"] == "ExecutorFailed"
    assert "Traceback: lost" in failure["logTail"]


def test_an_operator_killed_during_a_build_loses_nothing(builds: Builds, operator: OperatorProcess) -> None:
    builds.apply("survivor", f"sleep 4\n{BUILT}")
    pod = builds.wait_for_phase("survivor", "Building")["podName"]
    operator.kill()
    builds.kubectl("wait", f"pod/{pod}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s")
    operator.start()
    status = builds.wait_for_phase("survivor", "Succeeded")
    assert (status["podName"], builds.pods("survivor")) == (pod, [pod])
    assert builds.events("survivor") == [("Normal", "Building"), ("Normal", "Succeeded")]


def test_an_operator_that_is_told_to_stop_does_so_at_once(builds: Builds, operator: OperatorProcess) -> None:
    builds.apply("stopped", BUILT)
    builds.wait_for_phase("stopped", "Succeeded")
    begin = time.monotonic()
    assert operator.stop() == 0
    assert time.monotonic() - begin < 10
    operator.start()


def test_a_changed_spec_is_built_anew_and_the_same_one_is_not(builds: Builds) -> None:
    builds.apply("changed", BUILT)
    first = builds.wait_for_phase("changed", "Succeeded")
    builds.kubectl("annotate", "ib/changed", "touched=yes")
    builds.apply("changed", BUILT, timeout="1h", buildArgs={})
    builds.wait_for_phase("changed", "Succeeded")
    assert builds.pods("changed") == [first["podName"]]

    builds.apply("changed", BUILT, target="final")
    second = builds.wait("changed", lambda s: s["phase"] == "Succeeded" and s["podName"] != first["podName"])
    assert builds.pods("changed") == [second["podName"]]
    maps = [item["metadata"]["name"] for item in builds.kubectl.get("configmaps")["items"]]
    assert [name for name in maps if name.startswith("changed-")] == [second["podName"].removesuffix("-1")]


def test_a_spec_that_changes_during_a_build_ends_it_first(builds: Builds) -> None:
    builds.apply("overtaken", f"trap 'exit 143' TERM; sleep 60 & wait\n{BUILT}")
    old = builds.wait_for_phase("overtaken", "Building")["podName"]
    builds.apply("overtaken", BUILT)
    assert builds.wait_for_phase("overtaken", "Succeeded")["podName"] != old
    assert old not in builds.pods("overtaken")


def test_a_config_map_may_come_later_and_change(builds: Builds) -> None:
    def source(script: str) -> None:
        resource = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "source"},
            "data": {"Dockerfile": script},
        }
        builds.kubectl("apply", "-f", "-", stdin=resource)

    builds.apply("later", None, dockerfileFrom={"configMapKeyRef": {"name": "source"}})
    builds.wait_for_reason("later", "DockerfileNotFound")
    source(BUILT)
    first = builds.wait_for_phase("later", "Succeeded", seconds=15)["podName"]
    source(f"{BUILT}# changed\n")
    builds.wait("later", lambda s: s["phase"] == "Succeeded" and s["podName"] != first, seconds=15)
    builds.kubectl("delete", "configmap", "source")
    time.sleep(1)
    assert builds.status("later")["phase"] == "Succeeded"


def test_a_context_reaches_the_executor(builds: Builds) -> None:
    builds.kubectl("create", "configmap", "files", "--from-literal=a=one")
    builds.apply(
        "context",
        f"[ $(cat /yadokari/input/context/a) = one ] || exit 14\n{BUILT}",
        context={"configMap": {"name": "files"}},
    )
    builds.wait_for_phase("context", "Succeeded")


def test_a_missing_secret_is_told_and_waited_for(builds: Builds) -> None:
    builds.apply(
        "secret",
        f'[ "$DOCKER_AUTH_CONFIG_PULL_1" = \'{{"auths":{{}}}}\' ] || exit 13\n{BUILT}',
        pullSecretRefs=[{"name": "pull"}],
    )
    assert '"pull" not found' in builds.wait_for_reason("secret", "PodPending")["message"]
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "pull"},
        "stringData": {".dockerconfigjson": json.dumps({"auths": {}}, separators=(",", ":"))},
    }
    builds.kubectl("apply", "-f", "-", stdin=secret)
    builds.wait_for_phase("secret", "Succeeded", seconds=90)


def test_a_pod_that_is_deleted_is_followed_by_another(builds: Builds) -> None:
    builds.apply("deleted", f"trap 'exit 143' TERM; sleep 5 & wait\n{BUILT}")
    pod = builds.wait_for_phase("deleted", "Building")["podName"]
    builds.kubectl("delete", "pod", pod)
    status = builds.wait("deleted", lambda s: s["phase"] == "Succeeded", seconds=60)
    assert (status["attempt"], status["retries"]) == (2, 0)


def test_too_little_memory_is_told_with_the_limit(builds: Builds) -> None:
    executor = {"image": builds.image, "resources": {"limits": {"memory": "16Mi"}}}
    builds.apply("greedy", "exec tail /dev/zero", executor=executor)
    status = builds.wait_for_phase("greedy", "Failed")
    assert builds.reason("greedy") == "OOMKilled"
    assert "16Mi" in status["message"]


def test_too_long_a_build_is_a_timeout(builds: Builds) -> None:
    builds.apply("slow", "trap 'exit 143' TERM; sleep 60 & wait", timeout="3s")
    builds.wait_for_phase("slow", "Failed")
    assert builds.reason("slow") == "Timeout"


def test_a_spec_that_the_schema_lets_through_is_refused_by_the_operator(builds: Builds) -> None:
    builds.apply("invalid", BUILT, buildArgs={"A B": "1"})
    builds.wait_for_phase("invalid", "Failed")
    assert builds.reason("invalid") == "InvalidSpec"
    assert builds.pods("invalid") == []


def test_a_pod_that_breaks_a_policy_is_told_of(builds: Builds) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none"},
        "spec": {"hard": {"requests.cpu": "1m"}},
    }
    builds.kubectl("apply", "-f", "-", stdin=quota)
    try:
        time.sleep(2)
        builds.apply("rejected", BUILT)
        status = builds.wait_for_reason("rejected", "PodRejected")
        assert "none" in status["message"]
    finally:
        builds.kubectl("delete", "quota", "none")
    builds.wait_for_phase("rejected", "Succeeded", seconds=60)


def test_what_a_build_owns_goes_with_it(builds: Builds) -> None:
    builds.apply("gone", BUILT)
    pod = builds.wait_for_phase("gone", "Succeeded")["podName"]
    builds.kubectl("delete", "ib", "gone")
    builds.kubectl("wait", "--for=delete", f"pod/{pod}", "--timeout=30s")
    builds.kubectl("wait", "--for=delete", f"configmap/{pod.removesuffix('-1')}", "--timeout=30s")


def test_an_image_build_holds_nothing_but_what_was_applied_and_its_status(builds: Builds) -> None:
    builds.apply("clean", BUILT)
    builds.wait_for_phase("clean", "Succeeded")
    metadata = builds.kubectl.get("imagebuild", "clean")["metadata"]
    assert "finalizers" not in metadata
    assert set(metadata["annotations"]) == {"kubectl.kubernetes.io/last-applied-configuration"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"dockerfile": None}, "exactly one of dockerfile and dockerfileFrom"),
        (
            {"dockerfileFrom": {"configMapKeyRef": {"name": "x"}}},
            "exactly one of dockerfile and dockerfileFrom",
        ),
        ({"timeout": "25h"}, "between 1s and 24h"),
        ({"timeout": "soon"}, "should match"),
        ({"destinations": []}, "at least 1 items"),
        ({"destinations": [{"image": "A"}]}, "should match"),
        ({"destinations": [{"image": "a"}, {"image": "a"}]}, "Duplicate value"),
        ({"executor": {"resources": {"limits": {"memory": "lots"}}}}, "should match"),
        ({"colour": "red"}, "unknown field"),
    ],
)
def test_the_api_server_refuses_a_wrong_spec(builds: Builds, change: dict[str, Any], why: str) -> None:
    spec = {"dockerfile": "FROM busybox\n", "destinations": [{"image": "a"}]} | change
    resource = {
        "apiVersion": "yadokari.dev/v1alpha1",
        "kind": "ImageBuild",
        "metadata": {"name": "wrong"},
        "spec": {key: value for key, value in spec.items() if value is not None},
    }
    with pytest.raises(KubectlError, match=why):
        builds.kubectl("apply", "--dry-run=server", "-f", "-", stdin=resource)


def test_the_operators_own_rights_were_enough(builds: Builds, operator: OperatorProcess) -> None:
    assert "cannot" not in operator.log
    assert "error of the operator itself" not in operator.log
