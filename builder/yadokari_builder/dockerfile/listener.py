"""Who is told of what an evaluation comes upon."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from yadokari_builder.dockerfile.instructions import Instruction
from yadokari_builder.dockerfile.parser import Dockerfile, Stage
from yadokari_builder.dockerfile.words import Expansion
from yadokari_builder.oci.platform import Platform


class View(Protocol):
    """A stage as its next instruction finds it."""

    @property
    def variables(self) -> Mapping[str, str]:
        """The variables that have a value."""

    @property
    def has_shell(self) -> bool:
        """Whether SHELL, or the base image, says what runs commands."""

    @property
    def has_workdir(self) -> bool:
        """Whether there was a WORKDIR in this Dockerfile."""


class Listener:
    """Is told of everything in the order in which it is come upon; this one makes nothing of it."""

    def bases_begin(self, dockerfile: Dockerfile, meta_env: Mapping[str, str]) -> None:
        """Hear that the FROMs are evaluated next; `meta_env` is what they see."""

    def image_expanded(self, stage: Stage, image: Expansion) -> None:
        """Hear which image, or stage, a FROM names."""

    def platform_expanded(self, stage: Stage, platform: Expansion) -> None:
        """Hear which platform a FROM names."""

    def stage_begins(self, stage: Stage, wanted: Platform, found: Platform | None) -> None:
        """Hear that a stage's instructions come next; `found` is the platform of its image, if it has one."""

    def instruction_read(self, instruction: Instruction, undefined: Sequence[str], view: View) -> None:
        """Hear of an instruction that was expanded and is evaluated next.

        `undefined` are the names that it uses and that nothing has declared, once for each word.
        """
