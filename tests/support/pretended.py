"""What nodes do, pretended: pods of ImageBuilds run for a while and leave a result, on a real API server."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from support.operator_process import DIGEST
from yadokari_api.keys import LABEL_BUILD
from yadokari_contract.results.build import BuildResult, format_result
from yadokari_operator.cluster.api import Api, ClusterError
from yadokari_operator.pods.observed import build_of


@dataclass(frozen=True, slots=True)
class Ending:
    """How an executor ends: its exit code, and what it leaves to be read."""

    code: int
    message: str


BUILT = Ending(0, format_result(BuildResult(digest=DIGEST)))


@dataclass(slots=True)
class Nodes:
    """Nodes on which each build takes so many seconds; `started` and `ended` are names of pods, by build.

    `ends` tells how a pod of a name ends, `None` for one that runs on. `names` are those of all pods
    that were started, and `most` is how many builds ran at once.
    """

    api: Api
    namespace: str
    seconds: float
    started: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    ends: Callable[[str], Ending | None] = lambda _: BUILT
    names: list[str] = field(default_factory=list)
    most: int = 0
    _due: dict[str, float] = field(default_factory=dict)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Watch pods, run and end them, until stopped."""
        version = ""
        while not self._stopped.is_set():
            # As kubelets, these outlive every trouble of the API server.
            with contextlib.suppress(ClusterError):
                if not version:
                    version = self._list()
                query = {"watch": "true", "labelSelector": LABEL_BUILD, "resourceVersion": version}
                query["timeoutSeconds"] = "300"
                with self.api.stream(self._path, query=query, accept="application/json", silence=1) as steps:
                    for step in steps:
                        if step["type"] == "ERROR":
                            break
                        self._see(step["type"], step["object"])
                        self._end_those_that_are_due()
            version = ""
            self._end_those_that_are_due()
            self._stopped.wait(0.05)

    def stop(self) -> None:
        """End with the next step."""
        self._stopped.set()

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"

    def _list(self) -> str:
        found = self.api.request("GET", self._path, query={"labelSelector": LABEL_BUILD})
        for pod in found["items"]:
            self._see("ADDED", pod)
        version: str = found["metadata"]["resourceVersion"]
        return version

    def _see(self, kind: str, pod: dict[str, Any]) -> None:
        name = pod["metadata"]["name"]
        phase = pod.get("status", {}).get("phase", "Pending")
        if kind == "DELETED" or "deletionTimestamp" in pod["metadata"]:
            self._due.pop(name, None)
        elif (
            phase == "Pending"
            and name not in self._due
            and self._say(pod, "Running", {"running": {"startedAt": _now()}})
        ):
            self.started[build_of(pod["metadata"]).name] += 1
            self.names.append(name)
            self._due[name] = time.monotonic() + self.seconds
            self.most = max(self.most, sum("-index-" not in it for it in self._due))

    def end(self, name: str, exit_code: int = 0, message: str = BUILT.message) -> bool:
        """End a pod that is there; tells whether that was taken, and need not be said again."""
        pod = self.api.find(f"{self._path}/{name}")
        phase, reason = ("Failed", "Error") if exit_code else ("Succeeded", "Completed")
        end = {"exitCode": exit_code, "reason": reason, "message": message, "finishedAt": _now()}
        if pod is not None and not self._say(pod, phase, {"terminated": end}):
            return False
        if pod is not None:
            self.ended[build_of(pod["metadata"]).name] += 1
        return True

    def _end_those_that_are_due(self) -> None:
        for name in [name for name, due in self._due.items() if due <= time.monotonic()]:
            ending = self.ends(name)
            if ending is None:
                continue
            with contextlib.suppress(ClusterError):
                if self.end(name, ending.code, ending.message):
                    del self._due[name]

    def _say(self, pod: dict[str, Any], phase: str, state: dict[str, Any]) -> bool:
        status = {"phase": phase, "startTime": pod.get("status", {}).get("startTime") or _now()}
        executor = {"name": "executor", "ready": False, "restartCount": 0, "image": "x", "imageID": "x"}
        changed = {**pod, "status": status | {"containerStatuses": [executor | {"state": state}]}}
        try:
            self.api.request("PUT", f"{self._path}/{pod['metadata']['name']}/status", body=changed)
        except ClusterError as error:
            return _is_told_again(error)
        return True


def _is_told_again(error: ClusterError) -> bool:
    """Whether a word on a pod was too late: what has changed of it comes as an event."""
    if error.status in (404, 409):
        return False
    raise error


@contextlib.contextmanager
def running_nodes(api: Api, namespace: str, seconds: float) -> Iterator[Nodes]:
    """Have pods run."""
    nodes = Nodes(api, namespace, seconds)
    thread = threading.Thread(target=nodes.run, daemon=True)
    thread.start()
    try:
        yield nodes
    finally:
        nodes.stop()
        thread.join(60)


def image_builds(number: int, prefix: str = "b", **spec: Any) -> dict[str, Any]:
    """Make a list of ImageBuilds, each with a destination of its own; more of `spec` is of all."""
    items = [
        {
            "apiVersion": "yadokari.dev/v1alpha1",
            "kind": "ImageBuild",
            "metadata": {"name": f"{prefix}-{index}"},
            "spec": {
                "dockerfile": f"FROM scratch\nLABEL number={index}\n",
                "destinations": [{"image": f"registry.test/{prefix}-{index}:1"}],
                **spec,
            },
        }
        for index in range(number)
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
