"""The configuration of the container, as containerd writes it for a pod by default.

Differences from an ordinary pod: the network is the host's, and the cgroup's parent is ours, so that it can
still be read when runc has removed the container's own.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.pod.kinds import Kind

CAPABILITIES = (
    *("CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL"),
    *("CAP_MKNOD", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP"),
    *("CAP_SETUID", "CAP_SYS_CHROOT"),
)
_MASKED = (
    "/proc/asound /proc/acpi /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list /proc/timer_stats"
    " /proc/sched_debug /proc/scsi /sys/firmware /sys/devices/virtual/powercap"
)
_READ_ONLY = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger"
_MOUNTS = (
    ("/proc", "proc", "proc", "nosuid noexec nodev"),
    ("/dev", "tmpfs", "tmpfs", "nosuid strictatime mode=755 size=65536k"),
    ("/dev/pts", "devpts", "devpts", "nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5"),
    ("/dev/mqueue", "mqueue", "mqueue", "nosuid noexec nodev"),
    ("/dev/shm", "tmpfs", "shm", "nosuid noexec nodev mode=1777 size=65536k"),
    ("/sys", "sysfs", "sysfs", "nosuid noexec nodev ro"),
    ("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid noexec nodev relatime ro"),
)
FIRST_ID = 65536
"""Whom the machine takes for root of a pod with users of its own; as the kubelet, one pod has 65,536 ids."""

_IDS = {
    name: [{"containerID": 0, "hostID": FIRST_ID, "size": 65536}] for name in ("uidMappings", "gidMappings")
}
_ENVIRONMENT = {
    "HOSTNAME": "pod",
    "KUBERNETES_SERVICE_HOST": "10.99.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
}


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or folder of the host that the pod sees, at the same path unless another is given."""

    source: str
    destination: str = ""
    writable: bool = False

    @classmethod
    def parse(cls, text: str) -> "Bind":
        """Read DIR[:DEST][:rw]."""
        writable = text.endswith(":rw")
        source, _, destination = text.removesuffix(":rw").partition(":")
        return cls(source, destination, writable)

    @property
    def path(self) -> str:
        """Where it is on the host, absolute; `x/..` is what it says even if there is no x."""
        return os.path.abspath(self.source)

    def __str__(self) -> str:
        return ":".join(filter(None, [self.source, self.destination, "rw" if self.writable else ""]))


@dataclass(frozen=True, slots=True)
class Process:
    """What runs in the container."""

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"


def configuration(
    process: Process,
    kind: Kind,
    *,
    root: Path,
    own_files: Path,
    binds: Sequence[Bind],
    cgroup: str,
    memory: int | None,
) -> dict[str, Any]:
    """Return runc's config.json.

    `own_files` is the folder of what the kubelet makes for each pod; `memory` is a limit in bytes.
    """
    mounts = [
        {"destination": at, "type": type_, "source": source, "options": options.split()}
        for at, type_, source, options in _MOUNTS
        if not (kind.own_users and at.startswith("/sys"))
    ]
    # The network is the machine's, and with it sysfs: another one would be another user namespace's.
    mounts += [_bind("/sys", "/sys", writable=False)] if kind.own_users else []
    mounts += [_bind(str(own_files / Path(path).name), path, writable=True) for path in OWN_FILES]
    mounts += [_bind(bind.path, bind.destination or bind.path, writable=bind.writable) for bind in binds]
    resources: dict[str, Any] = {"devices": [{"allow": False, "access": "rwm"}]}
    if memory is not None:
        resources["memory"] = {"limit": memory, "swap": memory}
    environment = _ENVIRONMENT | dict(process.environment)
    return {
        "ociVersion": "1.0.2",
        "hostname": "pod",
        "root": {"path": str(root), "readonly": False},
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": list(process.arguments),
            "env": [f"{name}={value}" for name, value in environment.items()],
            "cwd": process.folder,
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), CAPABILITIES),
            "noNewPrivileges": kind.no_new_privileges,
        },
        "mounts": mounts,
        "linux": {
            "cgroupsPath": cgroup,
            "resources": resources,
            "namespaces": [{"type": each} for each in _namespaces(kind)],
            **(_IDS if kind.own_users else {}),
            **kind.seccomp(),
            "maskedPaths": [] if kind.unmasked else _MASKED.split(),
            "readonlyPaths": [] if kind.unmasked else _READ_ONLY.split(),
        },
    }


OWN_FILES = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/dev/termination-log")
"""What the kubelet makes for each pod and mounts; writable, on a file system of its own."""


def _namespaces(kind: Kind) -> tuple[str, ...]:
    return ("pid", "ipc", "uts", "mount", *(["user"] if kind.own_users else []))


def _bind(source: str, destination: str, *, writable: bool) -> dict[str, Any]:
    options = ["rbind", "rprivate", "rw" if writable else "ro"]
    return {"destination": destination, "type": "bind", "source": source, "options": options}
