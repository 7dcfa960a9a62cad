"""What things are called: the API's group and kind, the key of an ImageBuild, labels and annotations."""

from dataclasses import dataclass

GROUP = "yadokari.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "ImageBuild"
PLURAL = "imagebuilds"

CONTAINER = "executor"
"""The executor's container; a cluster may put others beside it."""

LABEL_BUILD = f"{GROUP}/imagebuild"
LABEL_INPUTS = f"{GROUP}/inputs"
LABEL_ATTEMPT = f"{GROUP}/attempt"
ANNOTATION_RETRIES = f"{GROUP}/retries"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What tells one ImageBuild from all others."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"
