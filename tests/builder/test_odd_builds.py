"""Builds that nobody means, which must end in a clear error all the same."""

from pathlib import Path

import pytest

from support.pod import Bind, PodResult, run_pod, why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]


def build(folder: Path, dockerfile: str, *arguments: str) -> PodResult:
    (folder / "Dockerfile").write_text(dockerfile)
    return run_pod([f"--context=dir://{folder}", "--no-push", *arguments], binds=[Bind(str(folder))])


def test_a_step_that_removes_the_executors_own_files_is_to_blame(tmp_path: Path) -> None:
    result = build(tmp_path, "FROM busybox\nRUN mv /yadokari /gone\n")
    assert result.exit_code == 11
    assert "error: Dockerfile:2: the step deleted /yadokari/work/layers" in result.output


def test_an_output_that_cannot_be_written_is_named_by_its_flag(tmp_path: Path) -> None:
    result = build(tmp_path, "FROM busybox\n", "--tar-path=/etc/hosts/image.tar")
    assert result.exit_code == 2
    assert "error: --tar-path /etc/hosts/image.tar cannot be written: /etc/hosts" in result.output
    assert "STEP" not in result.output


def test_the_digest_can_go_to_standard_output(tmp_path: Path) -> None:
    result = build(tmp_path, "FROM busybox\n", "--digest-file=/dev/stdout")
    assert result.exit_code == 0, result.output
    # The log goes to standard error, and which of the two comes first is up to the container's runtime.
    assert any(line.startswith("sha256:") for line in result.output.splitlines())
