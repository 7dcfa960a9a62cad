"""Indexes: images that registries hold already, brought together under one name for several platforms."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from yadokari_builder.errors import UsageError
from yadokari_builder.oci import media_types
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.manifest import Index
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.pull import PulledImage
from yadokari_builder.registry.push import Pusher

logger = logging.getLogger(__name__)


def find_members(
    find: Callable[[Reference], PulledImage], references: Iterable[Reference]
) -> tuple[PulledImage, ...]:
    """Find the images of an index, each for a platform of its own; `find` is `Puller.verbatim` of some.

    Raises `UsageError` where two are for one platform, and what `find` raises.
    """
    found: dict[Platform, PulledImage] = {}
    for reference in references:
        image = find(reference)
        platform = image.image.config.platform.normalized()
        if other := found.get(platform):
            raise UsageError(
                f"{other.reference.familiar} and {reference.familiar} are both for {platform}:"
                " an index has one image for each platform"
            )
        found[platform] = image
    return tuple(found.values())


def make_index(members: Sequence[PulledImage], annotations: Mapping[str, str]) -> Index:
    """Make an index of images, in their order: Docker's if all of them are, and nothing annotates it."""
    kinds = {member.image.manifest.media_type for member in members}
    is_docker = kinds == {media_types.DOCKER_MANIFEST} and not annotations
    entries = tuple(
        Descriptor(
            member.image.manifest.media_type,
            member.image.manifest_digest,
            len(member.image.manifest.format()),
            platform=member.image.config.platform,
        )
        for member in members
    )
    return Index(media_types.DOCKER_INDEX if is_docker else media_types.OCI_INDEX, entries, annotations)


def push_index(
    index: Index, members: Iterable[PulledImage], client: RegistryClient, pusher: Pusher
) -> Digest:
    """Push an index to the destinations of `pusher`, after the images that are not there; returns its digest.

    What another repository of the same registry holds is mounted. Errors are those of `Pusher`.
    """
    for member in members:
        _copy(member, client, pusher)
    data = index.format()
    digest = Digest.of(data)
    pusher.name(data, index.media_type, digest)
    return digest


def _copy(member: PulledImage, client: RegistryClient, pusher: Pusher) -> None:
    """Bring an image into the repositories that it was not found in, under its digest."""
    digest = member.image.manifest_digest
    missing = [Reference(where, digest=digest) for where in pusher.repositories if where != member.repository]
    if not missing:
        return
    with Pusher(client, missing) as copier:
        for layer in member.layers:
            copier.add_layer(layer)
        copier.finish(member.image)
