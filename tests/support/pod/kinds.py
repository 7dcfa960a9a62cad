"""Kinds of pods: what clusters and nodes let a container do.

All have the default capabilities, and but for one a seccomp profile: that of the component `namespaces`, or
the same without its last rule, which is RuntimeDefault.
"""

import errno
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

PROFILE = Path(__file__).resolve().parents[3] / "kustomize/components/namespaces/seccomp.json"
_ADDED = ("mount", "pivot_root", "umount2", "unshare")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of pod.

    `localhost` pods have the profile for namespaces, `own_users` ones a user namespace (`hostUsers: false`),
    `unmasked` ones all of /proc (`procMount: Unmasked`). What this machine cannot be brought to refuse to one
    container alone is refused by seccomp in the same words: `refused` are calls with their errno. A pod of a
    kind with a `lodging` is that image's container, which the executor is told.
    """

    localhost: bool = False
    no_new_privileges: bool = False
    own_users: bool = False
    unmasked: bool = False
    refused: tuple[tuple[str, int], ...] = ()
    lodging: str = ""
    confined: bool = True

    def seccomp(self) -> dict[str, Any]:
        """Return what the configuration says of seccomp, as runc reads it."""
        return {"seccomp": self._profile()} if self.confined else {}

    def _profile(self) -> dict[str, Any]:
        profile: dict[str, Any] = json.loads(PROFILE.read_text())
        last = profile["syscalls"].pop()
        if tuple(last["names"]) != _ADDED:
            raise ValueError(f"{PROFILE}: its last rule is not what RuntimeDefault lacks")
        if self.localhost:
            allowed = [name for name in _ADDED if name not in dict(self.refused)]
            profile["syscalls"].append({"names": allowed, "action": "SCMP_ACT_ALLOW"})
        for name, number in self.refused:
            profile["syscalls"].append({"names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": number})
        return profile


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "baseline": Kind(),
        "namespaces": Kind(localhost=True),
        "no-new-privileges": Kind(no_new_privileges=True),
        # AppArmor's default profile denies mounts.
        "apparmor": Kind(localhost=True, refused=(("mount", errno.EACCES),)),
        # What user.max_user_namespaces=0 answers.
        "no-user-namespaces": Kind(localhost=True, refused=(("unshare", errno.ENOSPC),)),
        # A kubelet without SeccompDefault, and a pod that says nothing.
        "unconfined": Kind(confined=False),
        "lodging": Kind(lodging="library/busybox:latest"),
        "own-users": Kind(own_users=True),
        "own-users-namespaces": Kind(localhost=True, own_users=True, unmasked=True),
    }
)
"""By name."""
