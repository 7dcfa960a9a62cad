"""The cgroup above a container's own: it still tells what was used when runc has removed that one."""

from contextlib import suppress
from pathlib import Path

_MOUNT = Path("/sys/fs/cgroup")


def cpu_seconds(name: str) -> float:
    """Return what all processes below the cgroup `name` have used, in seconds (cgroup v1 or v2)."""
    usage = _MOUNT / "cpuacct" / name / "cpuacct.usage"
    if usage.exists():
        return int(usage.read_text()) / 1e9
    lines = (_MOUNT / name / "cpu.stat").read_text().splitlines()
    return int(dict(line.split() for line in lines)["usage_usec"]) / 1e6


def remove(name: str) -> None:
    """Remove the cgroup `name` from every hierarchy, and those below it that runc was kept from removing."""
    for folder in (_MOUNT / name, *_MOUNT.glob(f"*/{name}")):
        for cgroup in (*folder.glob("*/"), folder):
            with suppress(OSError):
                cgroup.rmdir()
