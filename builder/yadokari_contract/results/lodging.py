"""What came of a pod whose container is a base image: whether that was built in as it is, or why not."""

from dataclasses import dataclass
from enum import StrEnum


class NotLodged(StrEnum):
    """Why a base was unpacked though the container was said to be it, or that none had to be."""

    OTHER_IMAGE = "OtherImage"
    """No stage starts from that image: the tag has moved, or it is another platform's."""
    OTHER_STAGES = "OtherStages"
    """Stages that come before need the root, or others need all files of the one that would be there."""
    ROOT_CHANGED = "RootChanged"
    """Something has changed the container's files since it was made."""
    FILES_DIFFER = "FilesDiffer"
    """The container's file system does not keep the base's files as a build needs them."""
    VOLUMES = "Volumes"
    """The image's own volumes are mounted over its files."""
    ISOLATION = "Isolation"
    """Steps have namespaces and a root of their own."""
    NOT_NEEDED = "NotNeeded"
    """No step needed files of the base."""


@dataclass(frozen=True, slots=True)
class LodgingResult:
    """Where `stage`, by its name or number, was built in the base as the container has it; "" for nowhere.

    Then `reason` is one of `NotLodged`, and `message` says it to people; where a stage is named it may say
    what that saves.
    `image` is the base, as REPOSITORY@DIGEST, in whose own container a stage of this Dockerfile can be built;
    "" where none can. `unpacking` is how many seconds it took to download and unpack that, if it was.
    """

    stage: str = ""
    reason: str = ""
    message: str = ""
    image: str = ""
    unpacking: float = 0
