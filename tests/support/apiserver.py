"""A small API server that holds resources in memory: what a real one does with them, as far as we use it.

It can refuse requests, forget versions and say whatever a test wants in a watch, which a real one cannot be
made to do. That the real one agrees is what the tests marked `cluster` show.
"""

import copy
import itertools
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kubernetes import client

from yadokari_operator.cluster.api import Api

Resource = dict[str, Any]

_VERBS = ["list", "watch", "patch"]
_SERVED: dict[str, Any] = {
    "/api": {"versions": ["v1"]},
    "/api/v1": {
        "resources": [
            {"name": "pods", "singularName": "pod", "kind": "Pod", "namespaced": True, "verbs": _VERBS}
        ]
    },
    "/apis": {"groups": []},
}
"""What it says that it serves: no more than is asked for."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was made."""

    method: str
    path: str
    query: dict[str, str]
    accept: str
    body: Any


@dataclass(slots=True)
class ApiServer:
    """Resources by the path of their kind and their name; `requests` are those made so far.

    `refuse` may give status and message with which a request is refused. `watches` are the answers to
    watches, in order: a status and lines; after the last one, they are silent while the server runs. `logs`
    are the answers to those who follow a log, in pieces, and go on in the same way. Where it has no
    `image_volumes`, the gate of that feature is closed. `headers` go with every answer that is no watch.
    `url` is where it is served.
    """

    resources: dict[tuple[str, str], Resource] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    watches: list[tuple[int, Iterable[Any]]] = field(default_factory=list)
    logs: list[tuple[int, Iterable[bytes]]] = field(default_factory=list)
    minor_version: str = "34"
    now: str = "2026-01-02T03:04:05Z"
    image_volumes: bool = False
    refuse: Callable[[Request], tuple[int, str] | None] = lambda _: None
    headers: dict[str, str] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    _versions: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def put(self, plural: str, name: str, **content: Any) -> Resource:
        """Make a resource of the namespace team, as anybody may."""
        group = "/apis/yadokari.dev/v1alpha1" if plural == "imagebuilds" else "/api/v1"
        return self._put(f"{group}/namespaces/team/{plural}", {"metadata": {"name": name}} | content)

    def get(self, plural: str, name: str) -> Resource:
        """Read a resource."""
        return next(
            it for (path, its), it in self.resources.items() if its == name and path.endswith(f"/{plural}")
        )

    def names(self, plural: str) -> set[str]:
        """Name the resources of a kind."""
        return {name for path, name in self.resources if path.endswith(f"/{plural}")}

    def made(self, method: str) -> list[str]:
        """Tell the paths of all requests of a method."""
        return [request.path for request in self.requests if request.method == method]

    def answer(self, request: Request) -> tuple[int, Any]:
        """Answer a request; gives status and body."""
        self.requests.append(request)
        refused = self.refuse(request)
        if refused is not None:
            return refused[0], {"message": refused[1]}
        if request.path == "/version":
            return 200, {"major": "1", "minor": self.minor_version}
        if request.path in _SERVED:
            return 200, _SERVED[request.path]
        if request.path.rpartition("/")[2] in (
            "pods",
            "configmaps",
            "events",
            "imagebuilds",
            "imagebuildpolicies",
            "leases",
            "gitrepositories",
            "ocirepositories",
            "buckets",
        ):
            return self._of_kind(request)
        path, _, name = request.path.removesuffix("/status").rpartition("/")
        found = self.resources.get((path, name))
        if found is None:
            return 404, {"message": f"{name} not found"}
        if request.method == "GET":
            return 200, copy.deepcopy(found)
        if request.method == "PUT":
            return self._replace(path, found, request.body)
        wanted = request.body["preconditions"]["uid"]
        if wanted != found["metadata"]["uid"]:
            return 409, {"message": f"the UID in the precondition ({wanted}) does not match"}
        return 200, self.resources.pop((path, name))

    def _of_kind(self, request: Request) -> tuple[int, Any]:
        if request.query.get("dryRun") == "All":
            return 201, self._without_closed_features(request.body)
        if request.method == "POST":
            if (request.path, request.body["metadata"]["name"]) in self.resources:
                return 409, {"message": "it exists already"}
            return 201, self._put(request.path, self._without_closed_features(request.body))
        _, _, name = request.query.get("fieldSelector", "").partition("metadata.name=")
        found = [
            item
            for (path, its), item in sorted(self.resources.items())
            if request.path in (path, _of_all_namespaces(path)) and name in ("", its)
        ]
        return self._page(request, found)

    def _without_closed_features(self, resource: Resource) -> Resource:
        """As the server does: what a closed gate keeps out is left out without a word."""
        if self.image_volumes or "volumes" not in resource.get("spec", {}):
            return resource
        spec = resource["spec"]
        return resource | {"spec": spec | {"volumes": [it for it in spec["volumes"] if "image" not in it]}}

    def _page(self, request: Request, found: list[Resource]) -> tuple[int, Any]:
        begin = int(request.query.get("continue", 0))
        end = begin + int(request.query.get("limit", len(found) + 1))
        more = {"continue": str(end)} if end < len(found) else {}
        items = copy.deepcopy(found[begin:end])
        if "PartialObjectMetadataList" in request.accept:
            items = [{"metadata": item["metadata"]} for item in items]
            return 200, {"metadata": {"resourceVersion": "7", **more}, "items": items or None}
        return 200, {"metadata": {"resourceVersion": "7", **more}, "items": items}

    def _put(self, path: str, resource: Resource) -> Resource:
        made = copy.deepcopy(resource)
        number = str(next(self._versions))
        made["metadata"] = {"namespace": "team", "uid": f"uid-{number}", "resourceVersion": number} | made[
            "metadata"
        ]
        made["metadata"].setdefault("creationTimestamp", self.now)
        self.resources[path, made["metadata"]["name"]] = made
        return made

    def _replace(self, path: str, found: Resource, new: Resource) -> tuple[int, Any]:
        if new["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            return 409, {"message": "the object has been modified"}
        kept = {
            name: value for name, value in found["metadata"].items() if name in ("uid", "creationTimestamp")
        }
        new["metadata"] |= kept | {"resourceVersion": str(next(self._versions))}
        self.resources[path, new["metadata"]["name"]] = new
        return 200, new


def _of_all_namespaces(path: str) -> str:
    return re.sub("/namespaces/[^/]+", "", path)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up, as they do in the middle of a watch."""


@contextmanager
def serve(server: ApiServer) -> Iterator[Api]:
    """Let it answer; gives the client to ask it with."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _handle(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            request = Request(
                self.command,
                url.path,
                {name: values[0] for name, values in parse_qs(url.query).items()},
                self.headers["Accept"],
                json.loads(self.rfile.read(length)) if length else None,
            )
            if "watch" in request.query:
                self._stream(request, server.watches)
            elif url.path.endswith("/log"):
                self._stream(request, server.logs)
            else:
                self._send(*server.answer(request))

        do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815

        def _send(self, status: int, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            for name, value in server.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def _stream(self, request: Request, answers: list[tuple[int, Iterable[Any]]]) -> None:
            server.requests.append(request)
            silent = not answers
            status, lines = (200, []) if silent else answers.pop(0)
            if status >= 400:
                self._send(status, {"message": "the watch is refused"})
                return
            self.send_response(status)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for line in lines:
                data = line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            if silent:
                self.wfile.flush()
                server.stopped.wait()
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: Any) -> None: ...

    http = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    settings = client.Configuration()
    server.url = settings.host = f"http://127.0.0.1:{http.server_address[1]}"
    try:
        yield Api.of(settings)
    finally:
        server.stopped.set()
        http.shutdown()
        thread.join()
        http.server_close()
