"""Builds in the container of their base image, on the real cluster."""

import json
from functools import partial
from typing import Any

import pytest

from support.cluster import Cluster
from support.imagebuilds import Builds
from support.operator_process import wait_until

pytestmark = pytest.mark.cluster

ALIKE = {"output": {"timestamp": "Zero"}, "executor": {"lodging": "Auto"}}
DOCKERFILE = """
    FROM {base} AS build
    RUN mkdir -p /out/etc && date +%Y > /out/year && rm /etc/shadow && echo more >> /etc/passwd
    FROM {base}
    COPY --from=build /out /
    """


class Lodgings:
    """ImageBuilds on a base image of a test's own, built again and again."""

    def __init__(self, cluster: Cluster, builds: Builds) -> None:
        self.builds = builds
        self.kubectl = partial(cluster.kubectl, "-n", builds.namespace)
        self.base = f"{cluster.registry}/bases/{builds.namespace}:1"
        self.image = f"{cluster.registry}/team/{builds.namespace}"
        self._cluster = cluster

    def push_base(self, more: str = "") -> None:
        """Make the base image, with more in it."""
        self.builds.apply("base", f"FROM busybox\nENV OPENSSL_CONF=/x\n{more}", self.base)
        assert self.builds.wait_until_done("base")["phase"] == "Succeeded"

    def apply(self, name: str, dockerfile: str = DOCKERFILE, **spec: Any) -> None:
        self.builds.apply(name, dockerfile.format(base=self.base), f"{self.image}:{name}", **(ALIKE | spec))

    def built(self, name: str, **spec: Any) -> dict[str, Any]:
        """Apply a build and wait until it is done."""
        self.apply(name, **spec)
        return self._done(name)

    def again(self, name: str, word: str) -> dict[str, Any]:
        """Have a build done once more."""
        self.ask(name, word)
        return self._done(name)

    def ask(self, name: str, word: str) -> None:
        self.kubectl(
            "annotate", f"imagebuild/{name}", f"yadokari.dev/rebuild-requested-at={word}", "--overwrite"
        )
        wait_until(lambda: self.builds.status(name).get("rebuildRequestedAt") == word)

    def pod(self, status: dict[str, Any]) -> dict[str, Any]:
        """The latest pod of a build."""
        found: dict[str, Any] = json.loads(self.kubectl("get", "pod", status["run"]["pod"], "-o", "json"))
        return found

    def image_of(self, status: dict[str, Any]) -> str:
        """The image of that pod's executor."""
        return str(self.pod(status)["spec"]["containers"][0]["image"])

    def _done(self, name: str) -> dict[str, Any]:
        status = self.builds.wait_until_done(name)
        assert status["phase"] == "Succeeded", status["message"]
        return status


@pytest.fixture
def lodgings(cluster: Cluster, builds: Builds) -> Lodgings:
    made = Lodgings(cluster, builds)
    made.push_base()
    return made


def test_an_image_is_the_same_whether_its_base_was_unpacked_lodged_in_or_in_no_node(
    lodgings: Lodgings,
) -> None:
    first = lodgings.built("app")
    assert "lodging" not in lodgings.image_of(first)
    (entry,) = first["lodging"]
    assert entry["image"].startswith(lodgings.base.removesuffix(":1") + "@sha256:")

    second = lodgings.again("app", "lodge")
    assert lodgings.image_of(second) == entry["image"]
    assert second["lodging"] == [{"image": entry["image"], "stage": "build"}]
    assert second["output"]["digest"] == first["output"]["digest"]
    assert (second["run"]["number"], second["run"]["attempt"]) == (2, 1)

    lodgings.apply("app", executor={"lodging": "Never"})
    third = lodgings.again("app", "do not")
    assert lodgings.image_of(third) != entry["image"]
    assert third["output"]["digest"] == first["output"]["digest"]

    lodgings.apply("app")
    gone = f"{entry['image'].partition('@')[0]}@sha256:{'0' * 64}"
    patch = json.dumps({"status": {"lodging": [{"image": gone}]}})
    lodgings.kubectl("patch", "imagebuild/app", "--subresource=status", "--type=merge", "-p", patch)
    fourth = lodgings.again("app", "gone")
    assert (fourth["run"]["attempt"], fourth["run"]["retries"]) == (2, 0)
    assert fourth["output"]["digest"] == first["output"]["digest"]
    # That one is of no use, as is known by now; the one that the executor has found since is another.
    assert fourth["lodging"] == [{"image": entry["image"]}]


def test_a_base_that_moves_is_built_on_as_it_is_now_and_one_with_a_volume_in_an_ordinary_pod(
    lodgings: Lodgings,
) -> None:
    first = lodgings.built("app")
    old = first["lodging"][0]["image"]
    lodgings.push_base("RUN echo new > /new\n")
    second = lodgings.again("app", "moved")
    assert lodgings.image_of(second) == old
    (entry,) = second["lodging"]
    assert entry["reason"] == "OtherImage"
    assert entry["image"] != old
    assert second["output"]["digest"] != first["output"]["digest"]
    third = lodgings.again("app", "once more")
    assert lodgings.image_of(third) == entry["image"]
    assert third["output"]["digest"] == second["output"]["digest"]
    assert lodgings.builds.run_pod("check", f"{lodgings.image}:app", "cat /new") == "new\n"

    lodgings.push_base("VOLUME /data\n")
    lodgings.apply("app", "FROM {base}\nRUN mkdir -p /data && echo x > /data/x && echo y > /y\n")
    fourth = lodgings.builds.wait_until_done("app", not_digest=third["output"]["digest"])
    fifth = lodgings.again("app", "lodge in a volume")
    assert (fifth["run"]["attempt"], fifth["run"]["retries"]) == (2, 0)
    assert fifth["output"]["digest"] == fourth["output"]["digest"]
    (entry,) = fifth["lodging"]
    assert entry["unusable"]
    assert "volume" in entry["message"].lower()
    sixth = lodgings.again("app", "in no volume")
    assert sixth["run"]["attempt"] == 1
    assert lodgings.image_of(sixth) != entry["image"]


def test_a_lodger_that_is_killed_or_cancelled_is_as_any_other(lodgings: Lodgings) -> None:
    slow = "FROM {base}\nRUN sleep 4; date +%Y > /year\n"
    first = lodgings.built("app", dockerfile=slow)
    base = first["lodging"][0]["image"]

    lodgings.ask("app", "delete its pod")
    lodgings.builds.wait_until_running("app")
    pod = lodgings.builds.status("app")["run"]["pod"]
    lodgings.kubectl("delete", "pod", pod, "--now")
    second = lodgings.builds.wait_until_done("app")
    assert second["phase"] == "Succeeded"
    assert second["run"]["attempt"] > 1
    assert second["run"]["retries"] == 0
    assert lodgings.image_of(second) == base
    assert second["output"]["digest"] == first["output"]["digest"]

    lodgings.ask("app", "suspend it")
    lodgings.builds.wait_until_running("app")
    lodgings.kubectl("patch", "imagebuild/app", "--type=merge", "-p", '{"spec": {"suspend": true}}')
    wait_until(lambda: lodgings.builds.status("app").get("phase") == "Suspended", seconds=60)
    lodgings.kubectl("patch", "imagebuild/app", "--type=merge", "-p", '{"spec": {"suspend": false}}')
    third = lodgings.builds.wait_until_done("app")
    assert third["output"]["digest"] == first["output"]["digest"]
