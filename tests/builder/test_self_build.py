"""The executor builds its own image and the operator's, and what it built builds in turn."""

import json
import os
from pathlib import Path

import pytest

from support.layout import Layout
from support.pod import Bind, run_pod, why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]

PROJECT = Path(__file__).parents[2]
CERTIFICATES = Path("/usr/local/share/ca-certificates")


def build(dockerfile: str, target: str, output: Path, *, image: str = "executor") -> Layout:
    extra_ca = "".join(path.read_text() for path in sorted(CERTIFICATES.glob("*.crt")))
    result = run_pod(
        [
            f"--context=dir://{PROJECT}",
            f"--dockerfile={PROJECT / dockerfile}",
            f"--target={target}",
            "--build-arg=EXTRA_CA",
            "--no-push",
            f"--oci-layout-path={output / target}",
        ],
        binds=[Bind(str(PROJECT)), Bind(str(output), writable=True)],
        env={"EXTRA_CA": extra_ca} | {k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")},
        image=image,
    )
    assert result.exit_code == 0, result.output
    return Layout(output / target)


def test_the_executor_builds_its_own_image_which_builds_in_turn(tmp_path: Path) -> None:
    own = build("Dockerfile.executor", "debug", tmp_path)
    names = own.names_in_layers()
    assert {"yadokari/executor", "kaniko", "busybox/sh", "yadokari/keep"} <= names
    assert {name.partition("/")[0] for name in names} == {"yadokari", "kaniko", "busybox", "var"}

    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM busybox\nRUN echo second generation > /born\n")
    output = tmp_path / "second"
    output.mkdir()
    result = run_pod(
        [f"--context=dir://{context}", "--no-push", f"--oci-layout-path={output / 'image'}"],
        binds=[Bind(str(context)), Bind(str(output), writable=True)],
        image=str(own.folder),
    )
    assert result.exit_code == 0, result.output
    assert "born" in Layout(output / "image").names_in_layers()


def test_the_executor_builds_the_operators_image(tmp_path: Path) -> None:
    operator = build("Dockerfile.operator", "operator", tmp_path)
    assert operator.config["config"]["User"] == "65532:65532"
    assert {"opt/yadokari/yadokari_operator/__main__.py", "opt/yadokari/kopf/__init__.py"} <= (
        operator.names_in_layers()
    )
    assert "EXTRA_CA" not in json.dumps(operator.config["config"])
