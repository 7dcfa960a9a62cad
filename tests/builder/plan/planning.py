"""Dockerfiles planned with base images that are made up."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from yadokari_builder.dockerfile.listener import Listener
from yadokari_builder.dockerfile.parser import parse
from yadokari_builder.dockerfile.text import DockerfileText
from yadokari_builder.errors import ImageNotFoundError
from yadokari_builder.oci.config import ContainerConfig, ImageConfig
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.media_types import OCI_MANIFEST
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.plan.draft import Draft, make_draft
from yadokari_builder.plan.plan import Plan
from yadokari_builder.plan.planner import make_plan
from yadokari_builder.plan.scope import Platforms, open_scope
from yadokari_builder.registry.pull import PulledImage

AMD64 = Platform("linux", "amd64")
AMD64_ALONE = Platforms(AMD64, AMD64)
BASE = ContainerConfig(
    env=("PATH=/bin", "LANG=C"), cmd=("sh",), entrypoint=("/init",), working_dir="/", user="app"
)
NOTHING: Mapping[str, str] = MappingProxyType({})

FindImage = Callable[[Reference, Platform], PulledImage]


def image(reference: Reference, platform: Platform, config: ContainerConfig) -> PulledImage:
    found = Image.assemble(ImageConfig(platform=platform, config=config), (), OCI_MANIFEST)
    return PulledImage(reference, reference.repository, found, ())


def images(
    configs: Mapping[str, ContainerConfig], asked: list[tuple[str, Platform]] | None = None
) -> FindImage:
    """Return what finds the images whose names and configs are given, and notes what it is asked for."""

    def find_image(reference: Reference, platform: Platform) -> PulledImage:
        if asked is not None:
            asked.append((reference.familiar, platform))
        if reference.familiar not in configs:
            raise ImageNotFoundError(f"{reference.familiar}: not found")
        return image(reference, platform, configs[reference.familiar])

    return find_image


def any_image(reference: Reference, platform: Platform) -> PulledImage:
    """Find every image: it says nothing of how it is to run."""
    return image(reference, platform, ContainerConfig())


def planned(
    text: str,
    *,
    targets: tuple[str, ...] = (),
    platforms: Platforms = AMD64_ALONE,
    args: Mapping[str, str] = NOTHING,
    bases: Mapping[str, ContainerConfig] = MappingProxyType({"debian:latest": BASE}),
    asked: list[tuple[str, Platform]] | None = None,
) -> Plan:
    dockerfile = parse(text)
    scope = open_scope(dockerfile, args, platforms, targets[0] if targets else "")
    return make_plan(dockerfile, scope, targets, images(bases, asked), Listener())


def drafted(
    text: str,
    *,
    ignore: str = "",
    targets: tuple[str, ...] = (),
    args: Mapping[str, str] = NOTHING,
    find_image: FindImage = any_image,
) -> Draft:
    source = DockerfileText(text.encode(errors="surrogateescape"), "Dockerfile", ignore, ".dockerignore")
    return make_draft(source, args, AMD64_ALONE, targets, find_image)
