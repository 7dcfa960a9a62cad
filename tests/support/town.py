"""A namespace of a real API server: an installation whose operators a test starts, and pretended nodes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.control_plane import ControlPlane
from support.operator_process import Kubectl, OperatorProcess, install
from support.pretended import Nodes, image_builds, running_nodes
from yadokari_api.keys import LABEL_BUILD


class Town:
    """A namespace of the name `name`; `installed` is the kustomization that was applied to it."""

    def __init__(self, plane: ControlPlane, name: str, folder: Path, held: ExitStack) -> None:
        self.plane = plane
        self.kubectl = Kubectl(plane.cluster, name)
        self.kubectl("create", "namespace", name)
        folder.mkdir()
        self.config = install(self.kubectl, folder)
        self.installed = folder
        self._held = held
        self.nodes: Nodes = held.enter_context(running_nodes(plane.api, name, 1))

    def operator(self, name: str, config: Path | None = None, **settings: str) -> OperatorProcess:
        """Start another operator of this installation."""
        one = OperatorProcess(config or self.config, self.kubectl.namespace, self.installed / name)
        one.start(**settings)
        self._held.callback(one.stop)
        return one

    def build(self, number: int, prefix: str = "b", **spec: Any) -> None:
        """Apply ImageBuilds, each with a destination of its own."""
        self.kubectl("apply", "-f", "-", stdin=image_builds(number, prefix, **spec))

    def has_started(self, number: int) -> Callable[[], bool]:
        """Whether so many pods have been started."""
        return lambda: self.nodes.started.total() == number

    def has_built(self, number: int) -> Callable[[], bool]:
        """Whether there are so many ImageBuilds, and all have succeeded."""

        def built() -> bool:
            phases = [it["status"].get("phase") for it in self.kubectl.get("imagebuilds")["items"]]
            return phases == ["Succeeded"] * number

        return built

    def left(self) -> list[str]:
        """Name the pods and ConfigMaps of builds that are there."""
        return self.kubectl("get", "pods,configmaps", "-l", LABEL_BUILD, "-o", "name").split()


def says(operator: OperatorProcess, words: str) -> Callable[[], bool]:
    """Whether an operator has logged something."""
    return lambda: words in operator.log


@pytest.fixture(scope="module")
def found(
    control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Town]]:
    """Make a town of a name."""
    folder = tmp_path_factory.mktemp("towns")
    with ExitStack() as held:
        yield lambda name: Town(control_plane, name, folder / name, held)
