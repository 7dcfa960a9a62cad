"""The operator's settings, read from environment variables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_EXECUTOR_IMAGE = "yadokari/executor:0.1.0"
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")


class SettingsError(ValueError):
    """An environment variable has a value that cannot be; the text names it and what it can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How this operator works.

    `namespace` is the one namespace that is watched, all of them when empty. `registry_mirrors` are mirrors
    of docker.io as HOST[/PATH], `insecure_registries` registries (HOST[:PORT]) that may speak plain HTTP;
    both go to every build. `health_address` (HOST:PORT) serves GET /healthz.
    """

    executor_image: str = DEFAULT_EXECUTOR_IMAGE
    registry_mirrors: tuple[str, ...] = ()
    insecure_registries: tuple[str, ...] = ()
    namespace: str = ""
    health_address: str = "0.0.0.0:8080"
    log_level: str = "info"
    log_format: str = "text"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the variables YADOKARI_*; an empty one counts as not set. Raises `SettingsError`."""
        return cls(
            executor_image=_text(environment, "EXECUTOR_IMAGE", DEFAULT_EXECUTOR_IMAGE),
            registry_mirrors=_list(environment, "REGISTRY_MIRRORS"),
            insecure_registries=_list(environment, "INSECURE_REGISTRIES"),
            namespace=_text(environment, "NAMESPACE", ""),
            health_address=_address(environment, "HEALTH_ADDRESS", "0.0.0.0:8080"),
            log_level=_choice(environment, "LOG_LEVEL", LOG_LEVELS, "info"),
            log_format=_choice(environment, "LOG_FORMAT", LOG_FORMATS, "text"),
        )


def _text(environment: Mapping[str, str], name: str, default: str) -> str:
    return environment.get(f"YADOKARI_{name}", "").strip() or default


def _list(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(filter(None, re.split(r"[\s,]+", _text(environment, name, ""))))


def _choice(environment: Mapping[str, str], name: str, choices: tuple[str, ...], default: str) -> str:
    value = _text(environment, name, default).lower()
    if value not in choices:
        raise SettingsError(f"YADOKARI_{name} is {value!r}: it can be {', '.join(choices)}")
    return value


def _address(environment: Mapping[str, str], name: str, default: str) -> str:
    value = _text(environment, name, default)
    port = re.fullmatch(r"[^\s/:]+:([0-9]{1,5})", value)
    if port is None or not 0 < int(port[1]) < 65536:
        raise SettingsError(f"YADOKARI_{name} is {value!r}: it has the form HOST:PORT")
    return value
