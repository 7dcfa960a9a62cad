"""The cache of a spec: where what steps left is kept for later builds."""

from typing import Annotated, Literal

from pydantic import Field

from yadokari_api.fields import Duration, RepositoryName, ResourceName, between
from yadokari_api.inputs.context import RelativePath
from yadokari_api.model import Model
from yadokari_api.references import SecretReference
from yadokari_api.rules import Rule


class CacheRegistry(Model):
    """Repositories that hold what steps left."""

    image: RepositoryName | None = Field(
        default=None,
        description="Repository that is read and written: the first destination's with /cache behind it"
        " where it is absent.",
    )
    secret_ref: SecretReference | None = Field(
        default=None,
        description="Secret of type kubernetes.io/dockerconfigjson with the right to push there, or to pull"
        " with readOnly, where those of destinations have it not.",
    )
    ttl: Annotated[Duration, between("1m", "8760h", "ttl must be between 1m and 8760h")] | None = Field(
        default=None, description="How old what is taken may be; 336h where it is absent."
    )
    others: Annotated[tuple[RepositoryName, ...], Field(max_length=8)] = Field(
        default=(),
        alias="from",
        strict=False,
        json_schema_extra={"x-kubernetes-list-type": "set"},
        description="Repositories that are looked into afterwards and never written to, with pullSecretRefs.",
    )
    read_only: bool | None = Field(
        default=None, description="Take what is there and leave nothing; false where it is absent."
    )


class CacheVolume(Model):
    """A volume that keeps what RUN --mount=type=cache holds, and digests of a context that is on a volume.

    Steps can write all that is mounted of it.
    """

    claim_name: ResourceName = Field(description="Name of the PersistentVolumeClaim.")
    sub_path: RelativePath | None = Field(
        default=None, description="Folder of the volume; all of it where it is absent."
    )


class Cache(Model):
    """What earlier builds left is taken, and what this one makes is kept. It changes no result."""

    RULES = (
        Rule(
            "has(self.volumeClaim) || !has(self.mounts) || self.mounts != 'Volume'",
            "mounts: Volume takes a volume: name one as volumeClaim.claimName",
            lambda it: it.volume_claim is not None or it.mounts != "Volume",
        ),
        Rule(
            "!has(self.volumeClaim) || !has(self.mounts) || self.mounts == 'Volume'",
            "volumeClaim is for mounts: Volume alone: remove one of them",
            lambda it: it.volume_claim is None or it.mounts in ("Volume", None),
        ),
        Rule(
            "!has(self.mounts) || self.mounts != 'Registry' || !has(self.registry)"
            " || !has(self.registry.readOnly) || !self.registry.readOnly",
            "mounts: Registry writes, which registry.readOnly forbids: set mounts to None or to Volume",
            lambda it: it.mounts != "Registry" or not (it.registry and it.registry.read_only),
        ),
    )

    disabled: bool | None = Field(
        default=None, description="Leave all caches alone, whatever else is said here; false where absent."
    )
    registry: CacheRegistry | None = Field(
        default=None, description="Where layers are kept, where it is not the default repository."
    )
    volume_claim: CacheVolume | None = Field(
        default=None,
        description="Volume for mounts: Volume, and for digests of a context that is on a volume.",
    )
    mounts: Literal["Registry", "Volume", "None"] | None = Field(
        default=None,
        description="What keeps RUN --mount=type=cache for later builds: the registry's repository, the"
        " volume, or nothing. Where it is absent the volume if there is one, else the registry unless that is"
        " readOnly.",
    )
