"""Pods that name as their owner what no ImageBuild can be called, on a real API server."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.api_gate import Asked, running_api_gate
from support.control_plane import ControlPlane
from support.operator_process import OperatorProcess, wait_until
from support.town import Town

pytestmark = [pytest.mark.cluster, pytest.mark.api_server]

WORKERS = 16
PATHS = ("..", "../../../../../api/v1/nodes", "app/status", "app#", "%2e%2e", "one\nERROR two")


def owned_by(number: int, name: str) -> dict[str, Any]:
    """A pod with our label, which anybody who makes pods may make."""
    owner = {"apiVersion": "yadokari.dev/v1alpha1", "kind": "ImageBuild", "name": name, "uid": f"u{number}"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"stranger-{number}",
            "labels": {"yadokari.dev/imagebuild": "stranger"},
            "ownerReferences": [owner],
        },
        "spec": {"containers": [{"name": "executor", "image": "busybox"}], "schedulerName": "nobody"},
    }


def test_the_name_of_an_owner_is_no_path_and_no_query_and_holds_up_no_worker(
    control_plane: ControlPlane, found: Callable[[str], Town], tmp_path: Path
) -> None:
    town = found("forged-owners")
    # Each of these would be a request that the server answers for as long as it lasts.
    watches = [f"?watch=true&number={number}" for number in range(2 * WORKERS)]
    pods = [owned_by(number, name) for number, name in enumerate((*PATHS, *watches))]
    town.kubectl("create", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": pods})
    asked: list[str] = []

    def note(request: Asked) -> None:
        asked.append(request.path)

    with running_api_gate(control_plane.port, control_plane.trust) as gate:
        gate.trouble = note
        config = control_plane.configured(gate.host, tmp_path / "config")
        operator = OperatorProcess(config, town.kubectl.namespace, tmp_path / "log")
        operator.start()
        try:
            town.build(1)
            wait_until(town.has_built(1), seconds=60)
        finally:
            operator.stop()
    odd = [path for path in asked if "number=" in path or "nodes" in path or "%" in path.partition("?")[0]]
    assert odd == []
    assert not [path for path in asked if path.endswith(("/imagebuilds", "/imagebuilds/", "/app/status"))]
    assert "Traceback" not in operator.log
