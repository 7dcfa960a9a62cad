"""Values from outside that instructions of every stage see: build arguments and platforms."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from yadokari_builder.dockerfile.arg_values import meta_values
from yadokari_builder.dockerfile.parser import Dockerfile
from yadokari_builder.dockerfile.predefined import PROXY_ARGS
from yadokari_builder.oci.platform import Platform


@dataclass(frozen=True, slots=True)
class Scope:
    """What a build was given and what the ARGs before the first FROM made of it.

    `build_args` are the values that were handed over, `predefined` the platform arguments, `global_args`
    those and the ARGs before the first FROM. `escape` is the Dockerfile's escape character.
    """

    build_args: Mapping[str, str]
    predefined: Mapping[str, str]
    global_args: Mapping[str, str]
    platform: Platform
    escape: str

    @property
    def proxy_environment(self) -> Mapping[str, str]:
        """The proxy settings among the build arguments, in both spellings, as RUN sees them."""
        environment = {}
        for name, value in self.build_args.items():
            if name.lower() in PROXY_ARGS:
                environment[name.upper()] = environment[name.lower()] = value
        return environment


def open_scope(
    dockerfile: Dockerfile, build_args: Mapping[str, str], platform: Platform, target: str
) -> Scope:
    """Evaluate the ARGs before the first FROM for a build of the stage `target`; raises DockerfileError."""
    predefined = _platform_args(platform, target or dockerfile.stages[-1].name or "default")
    values = meta_values(dockerfile.meta_args, predefined, build_args, dockerfile.escape)
    return Scope(build_args, predefined, MappingProxyType(values), platform, dockerfile.escape)


def _platform_args(platform: Platform, target: str) -> Mapping[str, str]:
    """Build and target platform are one: a step runs where the image will run."""
    values = {"TARGETSTAGE": target}
    for side in ("BUILD", "TARGET"):
        values |= {
            f"{side}PLATFORM": str(platform),
            f"{side}OS": platform.os,
            f"{side}OSVERSION": platform.os_version,
            f"{side}ARCH": platform.architecture,
            f"{side}VARIANT": platform.variant,
        }
    return MappingProxyType(values)
