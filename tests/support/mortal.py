"""An operator that is killed at one of its writes, and begins anew: what it leaves and what it comes to.

The API server holds resources in memory and is asked without a network, so that each write can be tried.
Pods come to their end as soon as the operator has nothing more to do.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import urllib3
from kubernetes import client

from support.apiserver import ApiServer, Request
from support.resources import DIGEST, NOW, SPEC, ended
from yadokari_api.keys import Key
from yadokari_contract.results.build import BaseImage, BuildResult, format_result
from yadokari_operator.cluster.api import Api, ClusterError
from yadokari_operator.cluster.resources import Cluster
from yadokari_operator.handlers.controller import Controller
from yadokari_operator.handlers.memory import Memory
from yadokari_operator.handlers.policies import Policies
from yadokari_operator.handlers.telling import Telling
from yadokari_operator.metrics import Metrics
from yadokari_operator.progress.following import Following
from yadokari_operator.settings import Settings

BASE = "registry.test/base:1"
_PODS = "/api/v1/namespaces/team/pods"
_MOST_LOOKS = 60
_CONFLICT = 409
_RUNS: Mapping[str, Any] = {
    "phase": "Running",
    "containerStatuses": [{"name": "executor", "state": {"running": {}}}],
}


class DirectApi(Api):
    """The client as it is, but for the network between it and the server."""

    def __init__(self, answer: Callable[[Request], tuple[int, Any]]) -> None:
        unused = client.ApiClient(client.Configuration(host="http://direct"))
        super().__init__(unused, unused)
        self._answer = answer

    def _call(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Any, accept: str, read: float
    ) -> urllib3.BaseHTTPResponse:
        url = urlsplit(path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()} | dict(query or {})
        status, answer = self._answer(Request(method, url.path, asked, accept, json.loads(json.dumps(body))))
        return urllib3.HTTPResponse(json.dumps(answer).encode(), status=status, preload_content=False)


class _Silent:
    """Logs in which nothing stands, and that end when nobody reads them any more."""

    def log(
        self, namespace: str, pod: str, lines: int, silence: float, *, follow: bool
    ) -> AbstractContextManager[Iterator[bytes]]:
        raise ClusterError(f"{namespace}/{pod} has no {lines} lines in {silence} s ({follow})", status=404)


@dataclass(slots=True)
class World:
    """A namespace of a cluster, its operator, and what becomes of pods.

    The operator is killed at the writes of the numbers `fatal`, from 1: before the server has done it or,
    where it is `late`, after that; `meanwhile` something may happen before the next one begins. `made`
    are the names of pods that were made, `base` is the digest that BASE stands for, `fails` says
    which pods fail by their network, by their name.
    """

    fatal: frozenset[int] = frozenset()
    late: bool = False
    meanwhile: Callable[["World"], None] = lambda _: None
    now: datetime = NOW
    base: str = f"sha256:{'a' * 64}"
    fails: Callable[[str], bool] = lambda _: False
    server: ApiServer = field(default_factory=ApiServer)
    made: list[str] = field(default_factory=list)
    writes: int = 0
    kills: int = 0
    _dead: bool = False
    _todo: list[Key] = field(default_factory=list)
    _due: dict[Key, datetime] = field(default_factory=dict)
    _controller: Controller = field(init=False)

    def __post_init__(self) -> None:
        """Begin with an operator that has just started."""
        self._begin()

    def apply(self, name: str, **spec: Any) -> None:
        """Make an ImageBuild, or change what its spec says."""
        found = self.server.resources.get(("/apis/yadokari.dev/v1alpha1/namespaces/team/imagebuilds", name))
        given = {"destinations": [{"image": f"registry.test/{name}"}]} | spec
        if found is None:
            self.server.put("imagebuilds", name, spec=SPEC | given)
            self.server.get("imagebuilds", name)["metadata"]["generation"] = 1
        else:
            found["spec"] |= given
            found["metadata"]["generation"] += 1
        self._todo.append(Key("team", name))

    def settle(self, *, runs: bool = True) -> None:
        """Let all happen that is due by now; with `runs` pods come to their end, else they run on."""
        for _ in range(_MOST_LOOKS):
            self._look()
            if not self._pods_go_on(runs):
                return
        raise AssertionError("it never comes to an end")

    def wait(self, **span: float) -> None:
        """Let time pass, and look at what is due then."""
        self.now += timedelta(**span)
        self._todo += [key for key, due in self._due.items() if due <= self.now]

    def statuses(self) -> dict[str, Any]:
        """Tell the statuses as they are stored, but for UIDs."""
        found = {}
        for name in sorted(self.server.names("imagebuilds")):
            status = self.server.get("imagebuilds", name)["status"]
            found[name] = {field: value for field, value in status.items() if field != "podUids"}
        return found

    def left(self) -> dict[str, set[str]]:
        """Tell what is there beside ImageBuilds."""
        return {plural: self.server.names(plural) for plural in ("pods", "configmaps")}

    def _begin(self) -> None:
        self._dead = False
        cluster, settings = Cluster(DirectApi(self._answered)), Settings()
        memory = Memory(Policies(cluster, settings), Following(_Silent(), lambda *_: None))
        self._controller = Controller(
            cluster, settings, lambda: self.now, memory, Telling(Metrics()), self._todo.append
        )
        self._todo[:] = [Key("team", name) for name in sorted(self.server.names("imagebuilds"))]

    def _answered(self, request: Request) -> tuple[int, Any]:
        """Answer, unless the operator is dead: of what it does then nothing reaches the server."""
        self.server.now = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        if self._dead:
            return 500, {"message": "killed"}
        if request.method == "GET" or "dryRun" in request.query:
            return self.server.answer(request)
        self.writes += 1
        self._dead = self.writes in self.fatal
        if self._dead and not self.late:
            return 500, {"message": "killed"}
        status, answer = self.server.answer(request)
        if request.method == "POST" and request.path == _PODS and status == 201:
            self.made.append(answer["metadata"]["name"])
        return (500, {"message": "killed"}) if self._dead else (status, answer)

    def _look(self) -> None:
        """Reconcile until nothing is to be looked at any more."""
        looks = 0
        while self._todo:
            looks += 1
            assert looks < _MOST_LOOKS, "it is looked at without end"
            key = self._todo.pop(0)
            before = self.server.get("imagebuilds", key.name)["metadata"]["resourceVersion"]
            again: float | None = None
            try:
                again = self._controller.reconcile(key)
            except ClusterError as error:
                if not self._dead and error.status != _CONFLICT:
                    raise
                self._todo.append(key)
            if self._dead:
                self.kills += 1
                self.meanwhile(self)
                self._begin()
                continue
            self._due.pop(key, None)
            if again is not None:
                self._due[key] = self.now + timedelta(seconds=again)
            written = self.server.get("imagebuilds", key.name)["metadata"]["resourceVersion"] != before
            if (written or again == 0) and key not in self._todo:
                self._todo.append(key)

    def _pods_go_on(self, runs: bool) -> bool:
        """Have the kubelet take pods one step further; tells whether there was anything to do."""
        moved = False
        for name in sorted(self.server.names("pods")):
            pod = self.server.get("pods", name)
            phase = (pod.get("status") or {}).get("phase")
            if phase is None:
                pod["status"] = dict(_RUNS) | {"startTime": self.now.strftime("%Y-%m-%dT%H:%M:%SZ")}
            elif phase == "Running" and runs:
                pod["status"] = self._end(pod)
            else:
                continue
            moved = True
            self._todo.append(Key("team", pod["metadata"]["ownerReferences"][0]["name"]))
        return moved

    def _end(self, pod: Mapping[str, Any]) -> dict[str, Any]:
        name, arguments = pod["metadata"]["name"], pod["spec"]["containers"][0]["args"]
        before = (NOW - self.now).total_seconds()
        if self.fails(name):
            failure = {"failure": {"reason": "RegistryError", "message": "connection refused"}}
            return ended(20, json.dumps(failure), before=before)
        if arguments[0] == "resolve":
            names = [word for word in arguments[1:] if not word.startswith("--")]
            items = [{"name": name, "resolved": self.base} for name in names]
            return ended(0, json.dumps({"items": items}), before=before)
        if arguments[0] == "index":
            return ended(0, json.dumps({"digest": DIGEST, "size": 7}), before=before)
        digit = "2" if "-arm64-" in name else "1"
        result = BuildResult(digest=f"sha256:{digit * 64}", bases=(BaseImage(BASE, self.base),))
        return ended(0, format_result(result), before=before)
