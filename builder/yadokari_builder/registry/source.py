"""Where the bytes of layers come from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast

from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.blob import BlobStream
from yadokari_builder.registry.client import RegistryClient


class LayerSource(Protocol):
    """A layer and its blob."""

    @property
    def layer(self) -> Layer:
        """The layer."""

    @property
    def repository(self) -> Repository | None:
        """The repository that holds the blob; None if it has only been made here."""

    def open(self) -> BinaryIO:
        """Open the blob as it is stored (compressed); may be called again and by several threads."""


class GrowingSource(Protocol):
    """A blob that is still being made."""

    def open(self) -> BinaryIO:
        """Open the blob; reading waits for what is not there yet, and raises where the making is given up."""

    def descriptor(self) -> Descriptor:
        """Wait till the blob is made and return what it is; raises where the making is given up."""

    def has_become(self, digest: Digest) -> bool:
        """Tell whether it has been made, and has this digest."""


@dataclass(frozen=True, slots=True)
class LocalLayer:
    """A layer whose blob is at hand: `blob` opens it, each time from its beginning."""

    layer: Layer
    blob: Callable[[], BinaryIO]
    repository: None = None

    def open(self) -> BinaryIO:
        """Open the blob."""
        return self.blob()


@dataclass(frozen=True, slots=True)
class RemoteLayer:
    """A layer whose blob is in a registry."""

    layer: Layer
    repository: Repository
    client: RegistryClient

    def open(self) -> BinaryIO:
        """Open the blob as a verified stream (see `BlobStream`)."""
        return cast(BinaryIO, BlobStream(self.client, self.repository, self.layer.descriptor))
