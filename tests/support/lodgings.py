"""ImageBuilds on a base image of a test's own, whose own container they may build in."""

import json
from functools import partial
from typing import Any

from support.cluster import Cluster
from support.imagebuilds import Builds
from support.indexes import put_index
from support.operator_process import wait_until
from yadokari_builder.build.options import own_platform

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

    def push_base(self, more: str = "") -> str:
        """Make the base image, with more in it; returns its digest."""
        self.builds.apply("base", f"FROM busybox\nENV OPENSSL_CONF=/x\n{more}", self.base)
        return str(self.done("base")["output"]["digest"])

    def put_index(self) -> str:
        """Have an index of the base image beside it; returns its digest."""
        image = self.base.removeprefix(f"{self._cluster.registry}/")
        platforms = [{"os": "linux", "architecture": own_platform().architecture}]
        return put_index(self._cluster.registry, image, "index", platforms)

    def apply(self, name: str, dockerfile: str = DOCKERFILE, **executor: Any) -> None:
        """Apply a build, with what its spec is to say of the executor."""
        alike = {"output": {"timestamp": "Zero"}, "executor": {"lodging": "Auto"} | executor}
        self.builds.apply(name, dockerfile.format(base=self.base), f"{self.image}:{name}", **alike)

    def built(self, name: str) -> dict[str, Any]:
        """Apply a build and wait until it is done."""
        self.apply(name)
        return self.done(name)

    def again(self, name: str, word: str) -> dict[str, Any]:
        """Have a build done once more."""
        self.ask(name, word)
        return self.done(name)

    def ask(self, name: str, word: str) -> None:
        self.kubectl(
            "annotate", f"imagebuild/{name}", f"yadokari.dev/rebuild-requested-at={word}", "--overwrite"
        )
        wait_until(lambda: self.builds.status(name).get("rebuildRequestedAt") == word)

    def pod(self, status: dict[str, Any]) -> dict[str, Any]:
        """The latest pod of a build."""
        found: dict[str, Any] = json.loads(self.kubectl("get", "pod", status["run"]["pod"], "-o", "json"))
        return found

    def told(self, status: dict[str, Any]) -> list[dict[str, Any]]:
        """What is told of the base, but for how long it took."""
        return [
            {name: it for name, it in entry.items() if name not in ("pulled", "unpacked")}
            for entry in status["lodging"]
        ]

    def image_of(self, status: dict[str, Any]) -> str:
        """The image of that pod's executor."""
        return str(self.pod(status)["spec"]["containers"][0]["image"])

    def done(self, name: str) -> dict[str, Any]:
        """Wait until a build has succeeded."""
        status = self.builds.wait_until_done(name)
        assert status["phase"] == "Succeeded", status["message"]
        return status
