"""What a verb is given beside its own arguments."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

from kubectl_imagebuild.build import Build
from kubectl_imagebuild.kubectl import RESOURCE, Kubectl


@dataclass(frozen=True, slots=True)
class Asked:
    """A verb's arguments, the cluster, and where it writes to; `notes` are beside the output."""

    arguments: Namespace
    kubectl: Kubectl
    out: TextIO
    notes: TextIO
    environment: Mapping[str, str]

    @property
    def chosen(self) -> tuple[str, ...]:
        """The flags for kubectl that say which of many are meant, by `-A` and `-l`."""
        everywhere = ("--all-namespaces",) if self.arguments.all_namespaces else ()
        return (*everywhere, *(("--selector", self.arguments.selector) if self.arguments.selector else ()))

    def builds(self) -> list[Build]:
        """Read the ImageBuilds that are meant, all of the namespace where nothing is chosen."""
        return [Build(item) for item in self.kubectl.json("get", RESOURCE, *self.chosen)["items"]]

    def say_that_there_are_none(self) -> None:
        """Say beside the output that no ImageBuild is there of those that are meant."""
        where = "" if self.arguments.all_namespaces else " in this namespace: -A shows those of all"
        which = " with these labels" if self.arguments.selector else ""
        self.notes.write(f"there are no ImageBuilds{which}{where}\n")
