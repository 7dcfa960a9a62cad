import os
from pathlib import Path

import pytest

from kubectl_imagebuild.command_line import parser
from kubectl_imagebuild.completion import complete
from kubectl_imagebuild.verbs.explain import ALL


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["de"], ["describe", ":4"]),
        (["list", "--all"], ["--all-namespaces", ":4"]),
        (["-n", "team", "list", "-o", "n"], ["name", ":4"]),
        (["explain", "OOM"], ["OOMKilled", ":4"]),
        (["wait", "app", "--for", "s"], ["started", "succeeded", ":4"]),
        (["completion", ""], ["bash", "fish", "zsh", ":4"]),
        (["create", "app", "fold"], [":0"]),
        (["create", "app", "--file", ""], [":0"]),
        (["--kubeconfig", ""], [":0"]),
        (["frob", "x"], [":4"]),
    ],
)
def test_words_are_completed(words: list[str], found: list[str]) -> None:
    assert complete(words) == found


def test_names_come_from_the_cluster_and_namespace_that_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/asked\necho imagebuild.yadokari.dev/app\n')
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert complete(["logs", "-n", "team", "--context=other", ""]) == ["app", ":4"]
    asked = (tmp_path / "asked").read_text()
    assert asked == "get imagebuilds.v1alpha1.yadokari.dev -o name --namespace=team --context=other\n"
    kubectl.write_text("#!/bin/sh\nexit 1\n")
    assert complete(["logs", ""]) == [":4"]


def test_every_verb_and_reason_is_among_the_words() -> None:
    assert len(complete([""])) == len(complete(["li"])) + 8
    assert len(complete(["explain", ""])) == len(ALL) + 1
    assert "usage" in parser().format_help()
