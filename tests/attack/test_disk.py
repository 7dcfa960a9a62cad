"""Steps that fill the disk that the executor writes to, so that it could end without a word."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.attack import attack
from support.pod import Bind, why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]

FULL = "No space left on device: give the pod more disk"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Bind]:
    """A disk of 16 MB for all that builds write."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "small", folder], check=True)
    try:
        yield Bind(str(folder), "/yadokari/work", writable=True)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_step_that_fills_the_disk_and_goes_on_is_blamed_in_words(
    tmp_path: Path, small: Bind, kind: str
) -> None:
    dockerfile = "FROM busybox\nRUN dd if=/dev/urandom of=/x bs=1M count=24 || true\nRUN echo next\n"
    result = attack(tmp_path, dockerfile, "--no-push", kind=kind, binds=[small])
    assert result.exit_code == 30, result.output
    assert f"error: Dockerfile:2: writing the layer: {FULL}" in result.output
    assert "\nbuilt " not in result.output


def test_a_base_that_does_not_fit_is_refused_in_words(tmp_path: Path, small: Bind) -> None:
    dockerfile = "FROM debian:bookworm\nRUN true\n"
    result = attack(tmp_path, dockerfile, "--no-push", kind="namespaces", binds=[small])
    # 15 where its size shows that it does not fit, 30 where what is downloaded fills the disk before.
    assert result.exit_code in (15, 30), result.output
    assert "error: Dockerfile:1: " in result.output
    assert "give the pod more disk" in result.output
