"""The operator's own process on a real cluster: what it holds in memory, and what it says of its health."""

import base64
import json
import os

import pytest

from support.operator_process import BUILT, Builds, Kubectl, OperatorProcess, wait_until

pytestmark = pytest.mark.cluster

FOREIGN = 40
BYTES = 700 * 1024


def test_without_imagebuilds_the_operator_is_healthy_and_says_what_it_waits_for(
    kubectl: Kubectl, stand_in: str, stopped_operator: OperatorProcess
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
        kubectl("patch", "role", "yadokari", "--type=merge", "-p", json.dumps({"rules": rules}))
        builds.wait_for_phase("late", "Succeeded")
        wait_until(lambda: operator.health["imagebuilds"] == "watched")
    finally:
        operator.stop()


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
