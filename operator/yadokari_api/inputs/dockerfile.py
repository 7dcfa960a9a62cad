"""Where the Dockerfile of a spec comes from."""

from pydantic import Field

from yadokari_api.fields import ConfigMapKey, ResourceName
from yadokari_api.inputs.context import RelativePath
from yadokari_api.model import Model, exactly_one


class DockerfileKey(Model):
    """A key of a ConfigMap in the namespace of the ImageBuild."""

    name: ResourceName = Field(description="Name of the ConfigMap.")
    key: ConfigMapKey = Field(default="Dockerfile", description="Key that holds the Dockerfile.")


class DockerfileSource(Model):
    """Where the Dockerfile comes from."""

    RULES = (
        exactly_one(
            ("config_map_key_ref", "path"),
            "dockerfileFrom must name exactly one of configMapKeyRef and path",
        ),
    )

    config_map_key_ref: DockerfileKey | None = Field(default=None, description="A key of a ConfigMap.")
    path: RelativePath | None = Field(default=None, description="A file of the build context.")
