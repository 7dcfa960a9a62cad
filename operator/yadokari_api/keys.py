"""What things are called: the API's group and kind, the key of an ImageBuild, labels and annotations."""

from dataclasses import dataclass

GROUP = "yadokari.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "ImageBuild"
PLURAL = "imagebuilds"
POLICY_KIND = "ImageBuildPolicy"
POLICY_PLURAL = "imagebuildpolicies"

ANNOTATION_REBUILD = f"{GROUP}/rebuild-requested-at"
"""On an ImageBuild: any change of its value, to anything but nothing, starts a new build."""

RUN_DIGITS = 10
"""A run, which is one build of one set of inputs, is named by so many hexadecimal digits."""

CONTAINER = "executor"
"""The executor's container; a cluster may put others beside it."""

LABEL_MANAGER = "app.kubernetes.io/managed-by"
MANAGER = "yadokari"
LABEL_BUILD = f"{GROUP}/imagebuild"
LABEL_RUN = f"{GROUP}/run"
LABEL_ATTEMPT = f"{GROUP}/attempt"
LABEL_PLATFORM = f"{GROUP}/platform"
"""On a pod that builds for one of several platforms: its name, with - for /."""
LABEL_ERRAND = f"{GROUP}/errand"
"""On a small pod that does something for a build: the executor's verb that it is about."""
QUEUE = "kueue.x-k8s.io/queue-name"
HANDED_OVER = (QUEUE, "kueue.x-k8s.io/priority-class")
"""Labels of an ImageBuild that its pods bear, too: by them Kueue admits pods when there is room."""

ANNOTATION_RETRIES = f"{GROUP}/retries"
ANNOTATION_GENERATION = f"{GROUP}/generation"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What tells one ImageBuild from all others."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"
