"""Steps that reach for more of the kernel than an ordinary pod lets them."""

from pathlib import Path

import pytest

from support.attack import attack
from support.pod import why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]

ATTEMPTS = (
    *("unshare -U true", "unshare -m true", "unshare -n true", "unshare -Urm mount -t tmpfs none /tmp"),
    *("mount -t tmpfs none /tmp", "mount -o bind /bin /tmp", "umount /proc", "pivot_root / /tmp"),
)


def test_a_step_makes_no_namespaces_and_mounts_nothing(tmp_path: Path, kind: str) -> None:
    tries = " ".join(f"busybox {attempt} && echo DONE: {attempt};" for attempt in ATTEMPTS)
    result = attack(
        tmp_path, f"FROM busybox\nCOPY <<end /try\n{tries}\necho tried\nend\nRUN sh /try\n", kind=kind
    )
    assert result.exit_code == 0, result.output
    assert "DONE:" not in result.output
    assert "not found" not in result.output
    assert "\ntried\n" in result.output
