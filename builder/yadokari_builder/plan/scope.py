"""Values from outside that instructions of every stage see: build arguments and platforms."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from yadokari_builder.dockerfile.arg_values import meta_values
from yadokari_builder.dockerfile.epoch import parse_epoch
from yadokari_builder.dockerfile.location import blaming
from yadokari_builder.dockerfile.parser import Dockerfile
from yadokari_builder.dockerfile.predefined import PROXY_ARGS, SOURCE_DATE_EPOCH
from yadokari_builder.oci.platform import Platform


@dataclass(frozen=True, slots=True)
class Platforms:
    """What steps are meant to run on, and what the image is for."""

    build: Platform
    target: Platform


@dataclass(frozen=True, slots=True)
class Scope:
    """What a build was given and what the ARGs before the first FROM made of it.

    `build_args` are the values that were handed over, `global_args` the platform arguments and the ARGs
    before the first FROM, `proxies` the proxy settings, in both spellings, that RUN sees. `platform` is what
    the image is for, `escape` the Dockerfile's escape character, `epoch` what it says of SOURCE_DATE_EPOCH.
    """

    build_args: Mapping[str, str]
    global_args: Mapping[str, str]
    proxies: Mapping[str, str]
    platform: Platform
    escape: str
    epoch: int | None


def open_scope(
    dockerfile: Dockerfile, build_args: Mapping[str, str], platforms: Platforms, target: str
) -> Scope:
    """Evaluate the ARGs before the first FROM for a build of the stage `target`; raises DockerfileError."""
    predefined = _platform_args(dockerfile, platforms, target)
    values = meta_values(dockerfile.meta_args, predefined, build_args, dockerfile.escape)
    return Scope(
        build_args,
        MappingProxyType(values),
        MappingProxyType(_proxies(build_args)),
        platforms.target,
        dockerfile.escape,
        _epoch(dockerfile, values),
    )


def default_args(dockerfile: Dockerfile, platforms: Platforms, target: str) -> Mapping[str, str]:
    """Return what FROM would see without build arguments; raises DockerfileError."""
    predefined = _platform_args(dockerfile, platforms, target)
    return meta_values(dockerfile.meta_args, predefined, {}, dockerfile.escape)


def _platform_args(dockerfile: Dockerfile, platforms: Platforms, target: str) -> Mapping[str, str]:
    values = {"TARGETSTAGE": target or dockerfile.stages[-1].name or "default"}
    for side, platform in (("BUILD", platforms.build), ("TARGET", platforms.target)):
        values |= {
            f"{side}PLATFORM": str(platform),
            f"{side}OS": platform.os,
            f"{side}OSVERSION": platform.os_version,
            f"{side}ARCH": platform.architecture,
            f"{side}VARIANT": platform.variant,
        }
    return values


def _proxies(build_args: Mapping[str, str]) -> dict[str, str]:
    proxies = {}
    for name, value in build_args.items():
        if name.lower() in PROXY_ARGS:
            proxies[name.upper()] = proxies[name.lower()] = value
    return proxies


def _epoch(dockerfile: Dockerfile, values: Mapping[str, str]) -> int | None:
    """Read the time that an ARG before the first FROM gives."""
    text = values.get(SOURCE_DATE_EPOCH, "")
    if not text:
        return None
    named = [arg for arg in dockerfile.meta_args if any(name == SOURCE_DATE_EPOCH for name, _ in arg.pairs)]
    with blaming(named[-1].location, named[-1].original):
        return parse_epoch(text)
