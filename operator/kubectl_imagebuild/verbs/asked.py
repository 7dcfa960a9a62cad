"""What a verb is given beside its own arguments."""

import json
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

    def patch(self, name: str, patch: Mapping[str, object], done: str) -> None:
        """Change an ImageBuild, and say that it is done, or write what it is then where `-o` wants that."""
        words = ("patch", RESOURCE, name, "--type=merge", "-p", json.dumps(patch))
        output = self.arguments.output
        if not output:
            self.kubectl.run(*words)
            self.out.write(f"{done}\n")
            return
        changed = self.kubectl.run(*words, "-o", output)
        if output == "yaml" and name != self.arguments.names[0]:
            self.out.write("---\n")
        self.out.write(changed)

    def say_that_there_are_none(self) -> None:
        """Say beside the output that no ImageBuild is there of those that are meant."""
        where = "" if self.arguments.all_namespaces else " in this namespace: -A shows those of all"
        which = " with these labels" if self.arguments.selector else ""
        self.notes.write(f"there are no ImageBuilds{which}{where}\n")
