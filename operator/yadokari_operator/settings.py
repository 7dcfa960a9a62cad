"""The operator's settings, read from environment variables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_EXECUTOR_IMAGE = "yadokari/executor:0.1.0"
DEFAULT_LEASE_NAMESPACE = "yadokari-system"
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")
RUNTIMES = ("Auto", "ImageVolume", "InitContainer")
ISOLATIONS = ("Auto", "Namespaces", "Shared")
PROC_MOUNTS = ("Default", "Unmasked")
_TRUTHS = ("true", "false")


class SettingsError(ValueError):
    """An environment variable has a value that cannot be; the text names it and what it can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How this operator works.

    `namespace` is the one namespace that is watched, all of them when empty. `registry_mirrors` are mirrors
    of docker.io as HOST[/PATH], `insecure_registries` registries (HOST[:PORT]) that may speak plain HTTP;
    both go to every build. Builds of `cache_read_only_namespaces` (* in one is any text) write no cache in a
    registry. `max_builds` may run at a time, `max_builds_per_namespace` in each namespace; 0 is any number.
    `lease_namespace` is where the Lease lies of who works, `identity` who this operator is, unlike all
    others that run. `health_address` (HOST:PORT) serves GET /healthz.

    Of executors, `executor_runtime` says how their own files come into the pod, `executor_isolation` how
    their steps are kept apart, where an ImageBuild says nothing. `executor_seccomp_profile` is a file below
    the kubelet's folder of seccomp profiles, empty for the container runtime's own; `executor_host_users` is
    whether pods use the node's users (true or false).
    """

    executor_image: str = DEFAULT_EXECUTOR_IMAGE
    executor_runtime: str = "Auto"
    executor_isolation: str = "Auto"
    executor_seccomp_profile: str = ""
    executor_host_users: str = "true"
    executor_proc_mount: str = "Default"
    registry_mirrors: tuple[str, ...] = ()
    insecure_registries: tuple[str, ...] = ()
    cache_read_only_namespaces: tuple[str, ...] = ()
    max_builds: int = 0
    max_builds_per_namespace: int = 0
    namespace: str = ""
    lease_namespace: str = DEFAULT_LEASE_NAMESPACE
    identity: str = ""
    health_address: str = "0.0.0.0:8080"
    log_level: str = "info"
    log_format: str = "text"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the variables YADOKARI_*; an empty one counts as not set. Raises `SettingsError`."""
        namespace = _text(environment, "NAMESPACE", "")
        settings = cls(
            executor_image=_text(environment, "EXECUTOR_IMAGE", DEFAULT_EXECUTOR_IMAGE),
            executor_runtime=_choice(environment, "EXECUTOR_RUNTIME", RUNTIMES, "Auto"),
            executor_isolation=_choice(environment, "EXECUTOR_ISOLATION", ISOLATIONS, "Auto"),
            executor_seccomp_profile=_text(environment, "EXECUTOR_SECCOMP_PROFILE", ""),
            executor_host_users=_choice(environment, "EXECUTOR_HOST_USERS", _TRUTHS, "true"),
            executor_proc_mount=_choice(environment, "EXECUTOR_PROC_MOUNT", PROC_MOUNTS, "Default"),
            registry_mirrors=_list(environment, "REGISTRY_MIRRORS"),
            insecure_registries=_list(environment, "INSECURE_REGISTRIES"),
            cache_read_only_namespaces=_namespaces(environment, "CACHE_READ_ONLY_NAMESPACES"),
            max_builds=_number(environment, "MAX_BUILDS"),
            max_builds_per_namespace=_number(environment, "MAX_BUILDS_PER_NAMESPACE"),
            namespace=namespace,
            lease_namespace=_text(environment, "LEASE_NAMESPACE", namespace or DEFAULT_LEASE_NAMESPACE),
            identity=_text(environment, "IDENTITY", ""),
            health_address=_address(environment, "HEALTH_ADDRESS", "0.0.0.0:8080"),
            log_level=_choice(environment, "LOG_LEVEL", LOG_LEVELS, "info"),
            log_format=_choice(environment, "LOG_FORMAT", LOG_FORMATS, "text"),
        )
        if settings.executor_proc_mount == "Unmasked" and settings.executor_host_users == "true":
            raise SettingsError(
                "YADOKARI_EXECUTOR_PROC_MOUNT is Unmasked: that takes YADOKARI_EXECUTOR_HOST_USERS=false,"
                " or pods are refused"
            )
        return settings


def _text(environment: Mapping[str, str], name: str, default: str) -> str:
    return environment.get(f"YADOKARI_{name}", "").strip() or default


def _list(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(filter(None, re.split(r"[\s,]+", _text(environment, name, ""))))


def _namespaces(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    patterns = _list(environment, name)
    for pattern in patterns:
        if re.fullmatch("[-a-z0-9*]{1,63}", pattern) is None:
            raise SettingsError(
                f"YADOKARI_{name} has {pattern!r}: it is a list of namespaces, such as team pull-request-*"
            )
    return patterns


def _number(environment: Mapping[str, str], name: str) -> int:
    value = _text(environment, name, "0")
    if re.fullmatch("[0-9]{1,6}", value) is None:
        raise SettingsError(f"YADOKARI_{name} is {value!r}: it is a number up to 999999, 0 for no limit")
    return int(value)


def _choice(environment: Mapping[str, str], name: str, choices: tuple[str, ...], default: str) -> str:
    value = _text(environment, name, default)
    found = next((choice for choice in choices if choice.lower() == value.lower()), None)
    if found is None:
        raise SettingsError(f"YADOKARI_{name} is {value!r}: it can be {', '.join(choices)}")
    return found


def _address(environment: Mapping[str, str], name: str, default: str) -> str:
    value = _text(environment, name, default)
    port = re.fullmatch(r"[^\s/:]+:([0-9]{1,5})", value)
    if port is None or not 0 < int(port[1]) < 65536:
        raise SettingsError(f"YADOKARI_{name} is {value!r}: it has the form HOST:PORT")
    return value
