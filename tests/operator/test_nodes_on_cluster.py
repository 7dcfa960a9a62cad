"""What nodes and the scheduler do to builds, on a real cluster; a shell script stands in for the executor."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from support.operator_process import BUILT, Builds, Kubectl

pytestmark = pytest.mark.cluster

SLOT = "example.com/slot"
ARM64 = {"kubernetes.io/arch": "arm64", "kubernetes.io/os": "linux"}
FIRST_RUNS_ON = "case $(hostname) in *-1) trap 'exit 143' TERM; sleep 60 & wait ;; esac"


@contextmanager
def with_a_slot(kubectl: Kubectl, node: str) -> Iterator[None]:
    """Have a node offer one of something that nobody else asks for."""
    names = {"capacity": {SLOT: "1"}, "allocatable": {SLOT: "1"}}
    kubectl("patch", "node", node, "--subresource=status", "-p", json.dumps({"status": names}))
    try:
        yield
    finally:
        gone = {part: {SLOT: None} for part in names}
        kubectl("patch", "node", node, "--subresource=status", "-p", json.dumps({"status": gone}))


@contextmanager
def a_class(kubectl: Kubectl, name: str, value: int) -> Iterator[str]:
    made = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}}
    kubectl("create", "-f", "-", stdin=made | {"value": value, "globalDefault": False})
    try:
        yield name
    finally:
        kubectl("delete", "priorityclass", name)


@contextmanager
def a_node_that_nobody_is_on(kubectl: Kubectl, name: str, labels: dict[str, str]) -> Iterator[None]:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
    taint = {"key": "nobody", "value": name, "effect": "NoSchedule"}
    kubectl("create", "-f", "-", stdin=node | {"spec": {"taints": [taint]}})
    try:
        size = {"cpu": "1", "memory": "1Gi", "pods": "9", "ephemeral-storage": "9Gi"}
        status = {"capacity": size, "allocatable": size}
        kubectl("patch", "node", name, "--subresource=status", "-p", json.dumps({"status": status}))
        yield
    finally:
        kubectl("delete", "node", name)


def end_without_a_word(kubectl: Kubectl, pod: str) -> None:
    """Say of a pod what kwok says: that it ran and has ended well, and nothing of what it made."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}
    executor = {"name": "executor", "ready": False, "restartCount": 0, "image": "x", "imageID": ""}
    status = {
        "phase": "Succeeded",
        "startTime": now,
        "containerStatuses": [executor | {"state": {"terminated": ended}}],
    }
    kubectl("patch", "pod", pod, "--subresource=status", "-p", json.dumps({"status": status}))


def pods_of(status: dict[str, Any]) -> dict[str, str]:
    """Name the pods of platforms that have one."""
    return {it["platform"]: it["pod"] for it in status.get("run", {}).get("platforms", []) if "pod" in it}


def test_a_build_that_gave_way_to_a_pod_of_higher_priority_is_built_again(builds: Builds) -> None:
    kubectl = builds.kubectl
    node = kubectl.get("nodes")["items"][0]["metadata"]["name"]
    with ExitStack() as held:
        held.enter_context(with_a_slot(kubectl, node))
        low, high = (
            held.enter_context(a_class(kubectl, f"{name}-{kubectl.namespace}", value))
            for name, value in (("low", 1), ("high", 1000))
        )
        resources = {"limits": {SLOT: "1"}}
        builds.apply(
            "preempted",
            f"{FIRST_RUNS_ON}\n{BUILT}",
            executor={"image": builds.image, "resources": resources, "priorityClassName": low},
        )
        builds.wait_for_phase("preempted", "Building")
        container = {"name": "a", "image": builds.image, "command": ["true"], "resources": resources}
        spec = {"priorityClassName": high, "restartPolicy": "Never", "containers": [container]}
        kubectl(
            "create",
            "-f",
            "-",
            stdin={"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "first"}, "spec": spec},
        )
        status = builds.wait_for_reason("preempted", "Evicted")
        assert "PreemptionByScheduler" in status["message"]
        done = builds.wait_for_phase("preempted", "Succeeded", seconds=90)
        assert (done["run"]["attempt"], done["run"]["retries"], done["run"]["number"]) == (2, 0, 1)


def test_of_several_platforms_the_one_that_fails_or_takes_too_long_is_named(builds: Builds) -> None:
    kubectl = builds.kubectl
    node = f"arm64-{kubectl.namespace}"
    # The cluster adds taints to a node of which it hears nothing.
    executor: dict[str, Any] = {"image": builds.image, "tolerations": [{"operator": "Exists"}]}
    both = {"platforms": ["linux/amd64", "linux/arm64"], "executor": executor}
    runs_on = f"trap 'exit 143' TERM; sleep 60 & wait\n{BUILT}"
    with a_node_that_nobody_is_on(kubectl, node, ARM64):
        builds.apply("slow", runs_on, timeout="5s", pendingTimeout="2m", **both)
        builds.apply("silent", BUILT, **both)
        builds.wait("silent", lambda s: "linux/arm64" in pods_of(s))
        there = pods_of(builds.status("silent"))["linux/arm64"]
        kubectl("wait", f"pod/{there}", f"--for=jsonpath={{.spec.nodeName}}={node}", "--timeout=30s")
        end_without_a_word(kubectl, there)
        told = builds.wait_for_phase("silent", "Failed")
        assert told["failure"]["reason"] == "ExecutorFailed"
        assert told["message"].startswith("linux/arm64: the executor ended with exit code 0, but without a")
        late = builds.wait_for_phase("slow", "Failed")
        assert late["failure"]["reason"] == "Timeout"
        assert late["message"] == "linux/amd64: the build took longer than its timeout of 5 s"
