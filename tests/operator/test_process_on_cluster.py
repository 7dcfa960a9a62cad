"""The operator's own process on a real cluster: what it holds in memory, and what it says of its health."""

import base64
import json
import os

import pytest

from support.cluster import Cluster
from support.collector import running_collector
from support.operator_process import BUILT, Builds, Kubectl, OperatorProcess, wait_until
from support.pages import DOCS
from support.plugin import Plugin

pytestmark = pytest.mark.cluster

FOREIGN = 40
BYTES = 700 * 1024
RUNBOOK = {" ".join(line.split()) for line in (DOCS / "runbook.md").read_text().splitlines()}


def test_without_imagebuilds_the_operator_is_healthy_and_says_what_it_waits_for(
    cluster: Cluster, kubectl: Kubectl, stand_in: str, stopped_operator: OperatorProcess
) -> None:
    operator, builds = stopped_operator, Builds(kubectl, stand_in)
    rules = kubectl.get("role", "yadokari")["rules"]
    without = [rule for rule in rules if rule["apiGroups"] != ["yadokari.dev"]]
    kubectl("patch", "role", "yadokari", "--type=merge", "-p", json.dumps({"rules": without}))
    operator.start()
    try:
        wait_until(lambda: operator.health != {})
        wait_until(lambda: "cannot be watched" in operator.health["imagebuilds"])
        builds.apply("late", BUILT)
        assert seen_of_a_deaf_operator(cluster, builds, operator) - RUNBOOK == set()
        kubectl("patch", "role", "yadokari", "--type=merge", "-p", json.dumps({"rules": rules}))
        builds.wait_for_phase("late", "Succeeded")
        wait_until(lambda: operator.health["imagebuilds"] == "watched")
    finally:
        operator.stop()


def seen_of_a_deaf_operator(cluster: Cluster, builds: Builds, operator: OperatorProcess) -> set[str]:
    """Give what people see of the ImageBuild `late`, and of the operator: lines without what differs."""
    namespace = builds.kubectl.namespace
    head, row = builds.kubectl("get", "ib", "late").splitlines()
    events = builds.kubectl("describe", "ib", "late").splitlines()[-1]
    told = Plugin.of(cluster, namespace)("describe", "late").out.splitlines()
    log = next(line for line in operator.log.splitlines() if "cannot watch" in line)
    lines = [head, row.rpartition(" ")[0], events, *told[2:4], log.partition(" warning ")[2]]
    return {" ".join(line.replace(namespace, "team").split()) for line in lines}


def make_foreign_config_maps(kubectl: Kubectl) -> None:
    content = base64.b64encode(os.urandom(BYTES)).decode()
    items = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"foreign-{number}", "labels": {"of": "somebody-else"}},
            "data": {"x": content},
        }
        for number in range(FOREIGN)
    ]
    kubectl("create", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": items})


def test_what_else_lives_in_the_cluster_takes_no_memory(
    kubectl: Kubectl, stand_in: str, stopped_operator: OperatorProcess
) -> None:
    operator, builds = stopped_operator, Builds(kubectl, stand_in)
    operator.start()
    builds.apply("before", BUILT)
    builds.wait_for_phase("before", "Succeeded")
    alone = operator.peak_memory
    operator.stop()
    make_foreign_config_maps(kubectl)
    operator.start()
    try:
        builds.apply("after", BUILT)
        builds.wait_for_phase("after", "Succeeded")
        kubectl("annotate", "configmap", "-l", "of=somebody-else", "touched=yes")
        builds.apply("last", BUILT)
        builds.wait_for_phase("last", "Succeeded")
        assert operator.peak_memory < alone + 20 * 2**20
    finally:
        operator.stop()


def test_builds_take_turns_and_those_that_run_when_the_operator_starts_count(
    kubectl: Kubectl, stand_in: str, stopped_operator: OperatorProcess
) -> None:
    operator, builds = stopped_operator, Builds(kubectl, stand_in)
    operator.start()
    builds.apply("turn-1", f"until [ -e /tmp/go ]; do sleep 1; done\n{BUILT}")
    pod = builds.wait_for_phase("turn-1", "Building")["run"]["pod"]
    operator.kill()
    operator.start(YADOKARI_MAX_BUILDS="1")
    try:
        builds.apply("turn-2", BUILT, destinations=[{"image": "registry.test/two:1"}])
        builds.apply("turn-3", BUILT, destinations=[{"image": "registry.test/three:1"}], priority=1)
        for name in ("turn-2", "turn-3"):
            assert "in the queue, while 1 builds run" in builds.wait_for_reason(name, "Queued")["message"]
            assert builds.pods(name) == []
        builds.kubectl("exec", pod, "--", "touch", "/tmp/go")
        ended = [builds.wait_for_phase(f"turn-{number}", "Succeeded")["run"] for number in (1, 2, 3)]
        # The one of higher priority was let in first.
        assert ended[0]["finishedAt"] <= ended[2]["startedAt"] <= ended[1]["startedAt"]
        assert all(run["queuedAt"] <= run["startedAt"] for run in ended)
    finally:
        operator.stop()


def test_a_run_is_a_trace_that_its_executor_belongs_to(
    kubectl: Kubectl, stand_in: str, stopped_operator: OperatorProcess
) -> None:
    operator, builds = stopped_operator, Builds(kubectl, stand_in)
    with running_collector() as collector:
        operator.start(
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_EXPORTER_OTLP_HEADERS="authorization=s3cr3t"
        )
        try:
            builds.apply("traced", BUILT)
            builds.wait_for_phase("traced", "Succeeded")
            wait_until(lambda: bool(collector.named("ImageBuild")))
        finally:
            operator.stop()
    pod = json.dumps(kubectl.get("pod", *builds.pods("traced")))
    (root,), (start,) = collector.named("ImageBuild"), collector.named("pod start")
    assert f"00-{root.trace}-{root.id}-01" in pod
    assert "s3cr3t" not in pod + operator.log
    assert start.trace == root.trace
    assert root.start <= start.start <= start.end <= root.end
    assert collector.headers[0]["authorization"] == "s3cr3t"
