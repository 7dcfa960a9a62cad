"""Base images from a folder that a warmer filled, in a pod that has it on a volume."""

from pathlib import Path

import pytest

from support.building import build
from support.pod import Bind, mirror, run_pod, why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]

NO_REGISTRY = ("--registry-mirror=127.0.0.1:9", "--skip-default-registry-fallback")


def test_a_build_needs_no_registry_for_a_tag_that_a_warmer_brought_on_a_read_only_volume(
    tmp_path: Path,
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    hub = mirror.running()
    arguments = ["--image=debian:bookworm", f"--registry-mirror={hub}", f"--insecure-registry={hub}"]
    volume = Bind(str(cache), "/cache", writable=True)
    warmed = run_pod(arguments, entrypoint="/kaniko/warmer", binds=(volume,))
    assert warmed.exit_code == 0, warmed.output
    dockerfile = "FROM debian:bookworm\nRUN cat /etc/debian_version > /version\n"
    built = build(tmp_path, dockerfile, *NO_REGISTRY, binds=(Bind(str(cache), "/cache"),))
    assert built.result.exit_code == 0, built.output
    assert "debian:bookworm is in /cache" in built.output
