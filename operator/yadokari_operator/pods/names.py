"""Names and labels of what a build owns: derived from its inputs, so that making it twice is harmless."""

import hashlib

from yadokari_api.keys import GROUP

CONTAINER = "executor"
"""The executor's container; a cluster may put others beside it."""

LABEL_BUILD = f"{GROUP}/imagebuild"
LABEL_INPUTS = f"{GROUP}/inputs"
LABEL_ATTEMPT = f"{GROUP}/attempt"
ANNOTATION_RETRIES = f"{GROUP}/retries"

LONGEST = 63
"""What Kubernetes allows a label's value and a host name."""

_HASH = 10


def short_hash(inputs_hash: str) -> str:
    """Shorten the hash of a build's inputs to what stands in names and labels."""
    return inputs_hash[:_HASH]


def label_value(build: str) -> str:
    """Give the value of `LABEL_BUILD` for an ImageBuild of this name; the owner's UID tells for sure."""
    return _shortened(build, LONGEST)


def dockerfile_name(build: str, inputs_hash: str) -> str:
    """Name the ConfigMap that holds the Dockerfile."""
    return _joined(build, short_hash(inputs_hash))


def context_name(build: str, inputs_hash: str) -> str:
    """Name the ConfigMap that holds the build context."""
    return _joined(build, f"{short_hash(inputs_hash)}-context")


def pod_name(build: str, inputs_hash: str, attempt: int) -> str:
    """Name the pod of an attempt."""
    return _joined(build, f"{short_hash(inputs_hash)}-{attempt}")


def _joined(build: str, suffix: str) -> str:
    return f"{_shortened(build, LONGEST - len(suffix) - 1)}-{suffix}"


def _shortened(name: str, longest: int) -> str:
    if len(name) <= longest:
        return name
    tail = hashlib.sha256(name.encode()).hexdigest()[:_HASH]
    return f"{name[: longest - _HASH - 1].rstrip('-.')}-{tail}"
