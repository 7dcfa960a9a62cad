"""Several operators at once: processes of the host, on a real API server, with pretended nodes."""

import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.control_plane import ControlPlane
from support.operator_process import Kubectl, OperatorProcess, install, wait_until
from support.pretended import Nodes, image_builds, running_nodes

pytestmark = [pytest.mark.cluster, pytest.mark.long]

HAND_OVER = 20


class Town:
    """A namespace with an installation whose operators the test starts, and nodes."""

    def __init__(self, plane: ControlPlane, name: str, folder: Path, held: ExitStack) -> None:
        self.kubectl = Kubectl(plane.cluster, name)
        self.kubectl("create", "namespace", name)
        folder.mkdir()
        self._config = install(self.kubectl, folder)
        self._folder = folder
        self._held = held
        self.nodes: Nodes = held.enter_context(running_nodes(plane.api, name, 1))

    def operator(self, name: str, **settings: str) -> OperatorProcess:
        """Start another operator of this installation."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        one = OperatorProcess(self._config, self.kubectl.namespace, port, self._folder / name)
        one.start(**settings)
        self._held.callback(one.stop)
        return one

    def build(self, number: int, prefix: str) -> None:
        self.kubectl("apply", "-f", "-", stdin=image_builds(number, prefix))

    def has_started(self, number: int) -> Callable[[], bool]:
        return lambda: self.nodes.started.total() == number

    def has_built(self, number: int) -> Callable[[], bool]:
        def built() -> bool:
            phases = [it["status"].get("phase") for it in self.kubectl.get("imagebuilds")["items"]]
            return phases == ["Succeeded"] * number

        return built


@pytest.fixture(scope="module")
def found(
    control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Town]]:
    folder = tmp_path_factory.mktemp("towns")
    with ExitStack() as held:
        yield lambda name: Town(control_plane, name, folder / name, held)


def says(operator: OperatorProcess, words: str) -> Callable[[], bool]:
    return lambda: words in operator.log


def test_another_takes_over_from_an_operator_that_dies_sleeps_or_ends(found: Callable[[str], Town]) -> None:
    # Two installations, so that they are waited for together.
    towns = [found("dying"), found("sleeping")]
    dying, sleeping = firsts = [town.operator("first") for town in towns]
    for first in firsts:
        wait_until(says(first, "this operator works"))
    seconds = [town.operator("second") for town in towns]
    for second, town in zip(seconds, towns, strict=True):
        wait_until(says(second, "stands by"))
        town.build(5, "before")
        wait_until(town.has_started(5))

    begin = time.monotonic()
    dying.kill()
    sleeping.send(signal.SIGSTOP)
    for town in towns:
        town.build(5, "after")
    for second in seconds:
        wait_until(says(second, "this operator works"), seconds=HAND_OVER)
    assert time.monotonic() - begin < HAND_OVER
    for town in towns:
        wait_until(town.has_built(10))

    # It wakes up, finds another in its place, and leaves everything to that one.
    sleeping.send(signal.SIGCONT)
    assert sleeping.wait() == 1

    third = towns[0].operator("third")
    wait_until(says(third, "stands by"))
    assert seconds[0].stop() == 0
    wait_until(says(third, "this operator works"), seconds=5)
    for town in towns:
        assert set(town.nodes.started.values()) == {1}
