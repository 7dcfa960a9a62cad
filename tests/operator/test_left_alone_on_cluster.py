"""Namespaces that the settings leave alone, on a real API server."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from support.api_gate import Asked, running_api_gate
from support.control_plane import ControlPlane
from support.operator_process import OperatorProcess, wait_until
from support.town import Town

pytestmark = [pytest.mark.cluster, pytest.mark.api_server]

LISTED = re.compile("/(imagebuilds|pods|configmaps)[?]")


def test_nothing_is_asked_for_of_a_namespace_that_is_left_alone(
    control_plane: ControlPlane, found: Callable[[str], Town], tmp_path: Path
) -> None:
    alone, other = found("left-alone"), found("looked-at")
    for town in (alone, other):
        town.kubectl("create", "configmap", "files")
        town.build(1, context={"configMap": {"name": "files"}})
    asked: list[str] = []

    def note(request: Asked) -> None:
        asked.append(unquote(request.path))

    with running_api_gate(control_plane.port, control_plane.trust) as gate:
        gate.trouble = note
        config = control_plane.configured(gate.host, tmp_path / "config")
        operator = OperatorProcess(config, "", tmp_path / "log")
        operator.start(
            YADOKARI_IGNORED_NAMESPACES="left-alone kube-*", YADOKARI_LEASE_NAMESPACE=other.kubectl.namespace
        )
        try:
            wait_until(other.has_built(1), seconds=60)
            wait_until(lambda: any("/configmaps?" in it for it in asked), seconds=60)
        finally:
            operator.stop()
    assert alone.kubectl.get("imagebuild", "b-0")["status"]["observedGeneration"] == -1
    everywhere = [it for it in asked if LISTED.search(it) and "/namespaces/" not in it]
    assert {kind for it in everywhere for kind in LISTED.findall(it)} == {"imagebuilds", "pods", "configmaps"}
    assert all("metadata.namespace!=left-alone" in it for it in everywhere), everywhere
    assert not [it for it in asked if "/namespaces/left-alone/" in it]
