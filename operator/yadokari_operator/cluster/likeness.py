"""Whether a resource that bears a name of ours is what we make: anybody may have made it before us."""

from collections.abc import Mapping
from typing import Any

_OF_CONTAINERS = (
    *(
        "image",
        "args",
        "command",
        "workingDir",
        "env",
        "envFrom",
        "volumeMounts",
        "volumeDevices",
        "lifecycle",
    ),
    *("livenessProbe", "readinessProbe", "startupProbe", "restartPolicy"),
)
_OF_PODS = (
    *("shareProcessNamespace", "hostPID", "hostIPC", "hostNetwork", "automountServiceAccountToken"),
    *("ephemeralContainers", "hostUsers", "activeDeadlineSeconds", "hostAliases", "dnsConfig"),
)
_RIGHTS = ("privileged", "procMount", "capabilities", "allowPrivilegeEscalation")
_ACCOUNT = "default"
"""What the server gives to a pod that names no account."""


def is_like(found: Mapping[str, Any], made: Mapping[str, Any]) -> bool:
    """Whether a resource of the API server is what `made` would be, but for what the server adds."""
    if made["kind"] == "Pod":
        return _is_like_pod(found["spec"], made["spec"])
    return bool(found.get("immutable")) and all(
        (found.get(part) or {}) == made[part] for part in ("data", "binaryData")
    )


def _is_like_pod(found: Mapping[str, Any], made: Mapping[str, Any]) -> bool:
    """Compare what runs, with which files and rights; a pod with a container more is another one."""
    return (
        _same(_OF_PODS, found, made)
        and found.get("serviceAccountName", _ACCOUNT) == made.get("serviceAccountName", _ACCOUNT)
        and _contains(found.get("securityContext"), made["securityContext"])
        and all(
            _are_like_containers(found.get(kind) or [], made.get(kind) or [])
            for kind in ("initContainers", "containers")
        )
        and all(_contains(_named(found.get("volumes"), it["name"]), it) for it in made["volumes"])
    )


def _are_like_containers(found: list[Any], made: list[Any]) -> bool:
    return len(found) == len(made) and all(
        _same(_OF_CONTAINERS, its, ours)
        and _contains(its.get("securityContext"), ours["securityContext"])
        and _same(_RIGHTS, its["securityContext"], ours["securityContext"])
        for its, ours in zip(found, made, strict=True)
    )


def _same(names: tuple[str, ...], found: Mapping[str, Any], made: Mapping[str, Any]) -> bool:
    # What the server leaves out is what is empty.
    return all((found.get(name) or None) == (made.get(name) or None) for name in names)


def _named(values: Any, name: str) -> Any:
    return next((value for value in values or [] if value["name"] == name), None)


def _contains(found: Any, made: Any) -> bool:
    """Whether a value holds all of another one; defaults may come on top."""
    if isinstance(made, Mapping):
        return isinstance(found, Mapping) and all(_contains(found.get(key), made[key]) for key in made)
    return bool(found == made)
