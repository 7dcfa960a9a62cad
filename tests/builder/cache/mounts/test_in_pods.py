"""Caches of steps from one pod to the next."""

from pathlib import Path

import pytest

from support.building import build
from support.pod import Bind, why_no_containers
from support.registry import Registry

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]

MOUNT = "--mount=type=cache,target=/cache"


@pytest.mark.parametrize("where", ["volume", "registry"])
def test_a_cache_outlives_the_pod_whatever_a_step_does_to_the_executors_folder(
    registry: Registry, name: str, tmp_path: Path, where: str
) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    places = {
        "volume": f"--cache-mounts-dir={volume}",
        "registry": f"--cache-mounts-repo={registry.host}/{name}",
    }
    count = "echo x >> /cache/log; echo has $(wc -l < /cache/log)"
    dockerfile = (
        f"FROM busybox AS one\nRUN {MOUNT} {count}\n"
        "RUN cd /yadokari/work; mv borrowed old; ln -s /proc/1 borrowed\n"
        "FROM busybox\nCOPY --from=one /bin/busybox /copied\n"
        f"RUN {MOUNT},sharing=locked {count}\n"
    )
    for number in range(2):
        built = build(
            tmp_path / str(number),
            dockerfile,
            places[where],
            "--insecure",
            binds=(Bind(str(volume), writable=True),),
        )
        assert built.result.exit_code == 0, built.output
        assert f"\nhas {2 * number + 1}\n" in built.output
        assert f"\nhas {2 * number + 2}\n" in built.output
        assert "WARN" not in built.output
