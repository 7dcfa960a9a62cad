"""How long the operator takes itself: from an ImageBuild to its pod, and from the pod's end to Ready."""

import contextlib
import statistics
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from support.operator_process import wait_until
from support.pretended import image_builds
from support.town import Town, says
from yadokari_api.keys import LABEL_BUILD
from yadokari_operator.cluster.api import ClusterError

pytestmark = [pytest.mark.cluster, pytest.mark.api_server, pytest.mark.long]

BUILDS = 3
_IMAGE_BUILDS = "/apis/yadokari.dev/v1alpha1/namespaces/quick/imagebuilds"


class Witness:
    """When something was first seen of each ImageBuild: `made` its pod, its `end`, and that it is `ready`."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self.seen: dict[tuple[str, str], float] = {}

    def watch(self, path: str) -> None:
        """Watch pods or ImageBuilds until there is no API server any more."""
        query = {"watch": "true", "resourceVersion": "0"}
        with (
            contextlib.suppress(ClusterError),
            self._town.plane.api.stream(path, query=query, accept="application/json", silence=60) as steps,
        ):
            for step in steps:
                for what, name in _told(step["object"]):
                    self.seen.setdefault((what, name), time.monotonic())


def _told(resource: dict[str, object]) -> Iterator[tuple[str, str]]:
    metadata, status = resource["metadata"], resource.get("status") or {}
    assert isinstance(metadata, dict)
    assert isinstance(status, dict)
    if LABEL_BUILD in metadata.get("labels", {}):
        yield "made", metadata["labels"][LABEL_BUILD]
        if status.get("phase") == "Succeeded":
            yield "end", metadata["labels"][LABEL_BUILD]
    elif status.get("phase") == "Succeeded":
        yield "ready", metadata["name"]


def test_a_pod_is_there_within_a_second_and_its_end_is_told_within_half_a_second(
    found: Callable[[str], Town],
) -> None:
    town = found("quick")
    wait_until(says(town.operator("operator"), "this operator works"))
    # The server is ready to watch them once there was one.
    town.build(1, "first")
    wait_until(town.has_built(1))
    witness = Witness(town)
    for path in ("/api/v1/namespaces/quick/pods", _IMAGE_BUILDS):
        threading.Thread(target=witness.watch, args=(path,), daemon=True).start()
    wait_until(lambda: len(witness.seen) == 3)
    asked = {}
    for number in range(BUILDS):
        (build,) = image_builds(1, f"b{number}")["items"]
        asked[build["metadata"]["name"]] = time.monotonic()
        town.plane.api.request("POST", _IMAGE_BUILDS, body=build)
        wait_until(lambda there=3 * number + 6: len(witness.seen) == there)  # type: ignore[misc]
    seen = witness.seen
    begin = statistics.median(seen["made", name] - asked[name] for name in asked)
    end = statistics.median(seen["ready", name] - seen["end", name] for name in asked)
    print(f"{begin:.2f} s to the pod, {end:.2f} s from its end")
    assert (begin < 1, end < 0.5) == (True, True), (begin, end)
