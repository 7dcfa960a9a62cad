"""References from a spec to what else is in the namespace of the ImageBuild."""

from pydantic import Field

from yadokari_api.fields import ConfigMapKey, ResourceName
from yadokari_api.model import Model


class SecretReference(Model):
    """A Secret in the namespace of the ImageBuild."""

    name: ResourceName = Field(description="Name of the Secret.")


class SecretKeyReference(Model):
    """A key of a Secret in the namespace of the ImageBuild."""

    name: ResourceName = Field(description="Name of the Secret.")
    key: ConfigMapKey = Field(description="Key of the Secret.")


class ConfigMapReference(Model):
    """A ConfigMap in the namespace of the ImageBuild."""

    name: ResourceName = Field(description="Name of the ConfigMap.")


class ConfigMapKeyReference(Model):
    """A key of a ConfigMap in the namespace of the ImageBuild."""

    name: ResourceName = Field(description="Name of the ConfigMap.")
    key: ConfigMapKey = Field(description="Key of the ConfigMap.")
