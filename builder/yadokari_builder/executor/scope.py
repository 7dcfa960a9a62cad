"""Values from outside that instructions of every stage see: build arguments and platforms."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from yadokari_builder.dockerfile.expand import expand
from yadokari_builder.dockerfile.instructions import Arg
from yadokari_builder.dockerfile.predefined import PROXY_ARGS
from yadokari_builder.oci.platform import Platform


@dataclass(frozen=True, slots=True)
class Scope:
    """What a build was given and what the ARGs before the first FROM made of it.

    `build_args` are the values that were handed over, `global_args` the platform arguments and the ARGs
    before the first FROM. `escape` is the Dockerfile's escape character.
    """

    build_args: Mapping[str, str]
    global_args: Mapping[str, str]
    platform: Platform
    escape: str = "\\"

    @property
    def proxy_environment(self) -> Mapping[str, str]:
        """The proxy settings among the build arguments, in both spellings, as RUN sees them."""
        environment = {}
        for name, value in self.build_args.items():
            if name.lower() in PROXY_ARGS:
                environment[name.upper()] = environment[name.lower()] = value
        return environment


def open_scope(
    meta_args: tuple[Arg, ...], build_args: Mapping[str, str], platform: Platform, target: str, escape: str
) -> Scope:
    """Evaluate the ARGs before the first FROM (BuildKit: buildMetaArgs)."""
    values = _platform_args(platform, target, build_args)
    for instruction in meta_args:
        for name, default in instruction.pairs:
            if name in build_args:
                values[name] = build_args[name]
            elif default is not None:
                single = replace(instruction, pairs=((name, default),))
                values[name] = expand(single, values, escape).pairs[0][1] or ""
    return Scope(build_args, MappingProxyType(values), platform, escape)


def _platform_args(platform: Platform, target: str, build_args: Mapping[str, str]) -> dict[str, str]:
    """Build and target platform are one: a step runs where the image will run."""
    values = {"TARGETSTAGE": target or "default"}
    for side in ("BUILD", "TARGET"):
        values |= {
            f"{side}PLATFORM": str(platform),
            f"{side}OS": platform.os,
            f"{side}OSVERSION": platform.os_version,
            f"{side}ARCH": platform.architecture,
            f"{side}VARIANT": platform.variant,
        }
    return {name: build_args.get(name, value) for name, value in values.items()}
