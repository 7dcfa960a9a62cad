"""Kubeconfigs with several contexts and in pieces, read by a real kubectl for a real server."""

import json
import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from support.operator_process import Builds, Kubectl
from support.plugin import Plugin
from support.town import Town

pytestmark = [pytest.mark.cluster, pytest.mark.api_server, pytest.mark.long]


@pytest.fixture(scope="module")
def plugin(found: Callable[[str], Town], tmp_path_factory: pytest.TempPathFactory) -> Plugin:
    """With two files in KUBECONFIG: the first has contexts, the second has what they are of."""
    plane = found("first").plane
    Kubectl(plane.cluster, "second")("create", "namespace", "second")
    for namespace in ("first", "second"):
        builds = Builds(Kubectl(plane.cluster, namespace), "registry.test/executor:1")
        builds.apply(f"of-{namespace}", "FROM scratch\n")
    known = json.loads(plane.kubeconfig.read_text())
    contexts = [
        {"name": name, "context": {"cluster": cluster, "user": "it", "namespace": name}}
        for name, cluster in (("first", "it"), ("second", "it"), ("away", "away"))
    ]
    away = {"name": "away", "cluster": {"server": "https://127.0.0.1:1"}}
    pieces = (
        {"current-context": "first", "contexts": contexts},
        {"clusters": [*known["clusters"], away], "users": known["users"]},
    )
    files = [tmp_path_factory.mktemp("contexts") / str(number) for number in range(2)]
    for file, piece in zip(files, pieces, strict=True):
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **piece}))
    own = Plugin.of(plane.cluster, "")
    return replace(own, environment={**own.environment, "KUBECONFIG": os.pathsep.join(map(str, files))})


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        ("", ["of-first"]),
        ("--context second", ["of-second"]),
        ("--context=first -n second", ["of-second"]),
        ("-A", ["of-first", "of-second"]),
    ],
)
def test_a_context_says_which_cluster_and_namespace(plugin: Plugin, flags: str, names: list[str]) -> None:
    said = plugin("list", *flags.split(), "-o", "name")
    assert (said.code, said.notes) == (0, "")
    assert said.out.split() == [f"imagebuild.yadokari.dev/{name}" for name in names]


def test_a_context_that_cannot_be_used_is_said_in_one_line(plugin: Plugin) -> None:
    for context, why in (("nowhere", "kubectl config get-contexts"), ("away", "127.0.0.1:1 was refused")):
        said = plugin("list", "--context", context)
        assert (said.code, said.out, said.notes.count("\n")) == (1, "", 1)
        assert why in said.notes
