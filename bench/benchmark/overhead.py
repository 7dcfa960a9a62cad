"""The command `bench/overhead`."""

import argparse
import http.client
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

from kubernetes import client, config

from benchmark.pods import ALONE, TESTS, measured_pod, run, values_of
from benchmark.registry import push
from benchmark.table import machine
from benchmark.toolchain import TOOLCHAIN, toolchain
from yadokari_operator.cluster.api import Api

_NAMESPACE = "default"
_PODS = f"/api/v1/namespaces/{_NAMESPACE}/pods"
_BUILDS = f"/apis/yadokari.dev/v1alpha1/namespaces/{_NAMESPACE}/imagebuilds"
# Of the machine, which the pod shares with this program.
_DOCKERFILE = "FROM busybox\nRUN cat /proc/uptime\n"
_LARGE = "FROM bench/toolchain\nRUN echo {} > /hello\n"
_UPTIME = re.compile(rb"(\d+\.\d\d) \d+\.\d\d")
_SILENCE = 60.0
_BARE = "a pod: until its program runs"
_STEP = "an ImageBuild: until its first step runs"
_MORE = "more than the pod"
_POD = "of that, until its pod is there"
_END = "a pod: from the end of its program until that is known"
_READY = "an ImageBuild: from the image in the registry to Ready"
_TOLD = "of that, after the end of its executor is known"
_CACHED = "an ImageBuild built again, all of it cached: until Ready"
_CACHED_MORE = "more than the pod until its end is known"
_USUAL = "an ImageBuild on the base of b, its step changed: until Ready"
_LODGED = "the same in its base's own container"
_ASKED = "yadokari.dev/rebuild-requested-at"


def main(arguments: Sequence[str], description: str | None) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="bench/overhead", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="how often (15)")
    rounds = parser.parse_args(arguments).rounds
    cluster = values_of(TESTS / "cluster" / "use")
    os.environ["KUBECONFIG"] = cluster["KUBECONFIG"]
    image = values_of(TESTS / "cluster" / "install")["EXECUTOR_IMAGE"]
    settings = client.Configuration()
    config.load_kube_config(cluster["KUBECONFIG"], client_configuration=settings)  # type: ignore[no-untyped-call]
    api = Api.of(settings)
    measured: list[Mapping[str, float]] = []
    kept = f"kept-{time.time_ns()}"
    _make(api, cluster["REGISTRY"], kept, cache={})
    large = _on_large_base(api, cluster)
    # The node pulls the image in the first one.
    for number in range(-1, rounds):
        bare, ended = run(api, measured_pod(ALONE, image))
        took = _build(api, cluster["REGISTRY"], f"measured-{time.time_ns()}")
        cached = _again(api, kept, str(number))
        changed = {row: _changed(api, name, number) for row, name in large.items()}
        if number >= 0:
            more = {_MORE: took[_STEP] - bare, _CACHED_MORE: cached - bare - ended}
            measured.append({_BARE: bare, _END: ended, **took, _CACHED: cached, **more, **changed})
    for name in (kept, *large.values()):
        api.request("DELETE", f"{_BUILDS}/{name}")
    print(f"{machine()}; {rounds} rounds\n")
    print(_table(measured))
    return 0


def _manifest(registry: str, name: str, **spec: Any) -> Mapping[str, Any]:
    to = {"image": f"{registry}/measured/{name}:1", "insecure": True}
    return {
        "apiVersion": "yadokari.dev/v1alpha1",
        "kind": "ImageBuild",
        "metadata": {"name": name},
        "spec": {"dockerfile": _DOCKERFILE, "destinations": [to], **spec},
    }


def _make(api: Api, registry: str, name: str, **spec: Any) -> None:
    """Build an image that is kept."""
    api.request("POST", _BUILDS, body=_manifest(registry, name, **spec))
    _until(api, _BUILDS, {"fieldSelector": f"metadata.name={name}"}, _is_ready)


def _on_large_base(api: Api, cluster: Mapping[str, str]) -> Mapping[str, str]:
    """Build on the base of b, in ordinary pods and in its own container; gives the builds' names by row."""
    push(toolchain(cluster["MIRROR"]), cluster["MIRROR"], TOOLCHAIN)
    names = {}
    for row, way in ((_USUAL, "Never"), (_LODGED, "Always")):
        names[row] = f"{way.lower()}-{time.time_ns()}"
        spec = {"dockerfile": _LARGE.format("first"), "executor": {"lodging": way}}
        _make(api, cluster["REGISTRY"], names[row], **spec)
    return names


def _changed(api: Api, name: str, number: int) -> float:
    """Change the step of a build; tells how long it takes until it is ready."""
    resource = api.request("GET", f"{_BUILDS}/{name}")
    changed = resource | {"spec": resource["spec"] | {"dockerfile": _LARGE.format(number)}}
    generation = resource["metadata"]["generation"]

    def is_built(build: Mapping[str, Any]) -> bool:
        return build["status"]["observedGeneration"] > generation and _is_ready(build)

    with _noted(lambda: _until(api, _BUILDS, {"fieldSelector": f"metadata.name={name}"}, is_built)) as ready:
        begin = time.time()
        api.request("PUT", f"{_BUILDS}/{name}", body=changed)
    return ready[0] - begin


def _again(api: Api, name: str, word: str) -> float:
    """Have an image built again that is cached; tells how long it took until it is ready."""

    def is_again(build: Mapping[str, Any]) -> bool:
        return build["status"].get("rebuildRequestedAt") == word and _is_ready(build)

    with _noted(lambda: _until(api, _BUILDS, {"fieldSelector": f"metadata.name={name}"}, is_again)) as ready:
        resource = api.request("GET", f"{_BUILDS}/{name}")
        begin = time.time()
        marked = resource["metadata"] | {"annotations": {_ASKED: word}}
        api.request("PUT", f"{_BUILDS}/{name}", body=resource | {"metadata": marked})
    steps = api.request("GET", f"{_BUILDS}/{name}")["status"]["steps"]
    assert steps["performed"] == 0, steps
    return ready[0] - begin


def _build(api: Api, registry: str, name: str) -> Mapping[str, float]:
    """Build an image; tells how long it took until what."""
    build = _manifest(registry, name)
    pods = {"labelSelector": f"yadokari.dev/imagebuild={name}"}
    with (
        _noted(lambda: _until_pushed(registry, f"measured/{name}")) as pushed,
        _noted(lambda: _until(api, _PODS, pods, lambda _: True)) as made,
        _noted(lambda: _until(api, _PODS, pods, _has_ended)) as ended,
        _noted(lambda: _until(api, _BUILDS, {"fieldSelector": f"metadata.name={name}"}, _is_ready)) as ready,
    ):
        begin = time.time()
        api.request("POST", _BUILDS, body=build)
    pod = api.request("GET", f"{_BUILDS}/{name}")["status"]["run"]["pod"]
    step = _began(api, pod)
    api.request("DELETE", f"{_BUILDS}/{name}")
    (has_it,), (is_there,), (is_over,), (is_known,) = pushed, made, ended, ready
    return {
        _STEP: step - begin,
        _POD: is_there - begin,
        _READY: is_known - has_it,
        _TOLD: is_known - is_over,
    }


@contextmanager
def _noted(wait: Callable[[], None]) -> Iterator[list[float]]:
    """Note when something has come, in seconds since the epoch; it is awaited at the end."""
    when: list[float] = []

    def run() -> None:
        wait()
        when.append(time.time())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield when
    thread.join()


def _until(api: Api, path: str, query: Mapping[str, str], holds: Callable[[Mapping[str, Any]], bool]) -> None:
    asked = {"watch": "true", **query}
    with api.stream(path, query=asked, accept="application/json", silence=_SILENCE) as events:
        next(event for event in events if holds(event["object"]))


def _has_ended(pod: Mapping[str, Any]) -> bool:
    states = (it["state"] for it in pod["status"].get("containerStatuses", []) if it["name"] == "executor")
    return any("terminated" in state for state in states)


def _is_ready(build: Mapping[str, Any]) -> bool:
    phase = build.get("status", {}).get("phase")
    if phase == "Failed":
        raise RuntimeError(f"a build failed: {build['status']['message']}")
    return bool(phase == "Succeeded")


def _until_pushed(registry: str, repository: str) -> None:
    connection = http.client.HTTPConnection(registry, timeout=_SILENCE)
    while True:
        accept = {"Accept": "application/vnd.oci.image.manifest.v1+json, */*"}
        connection.request("HEAD", f"/v2/{repository}/manifests/1", headers=accept)
        answer = connection.getresponse()
        answer.read()
        if answer.status == http.client.OK:
            return
        time.sleep(0.005)


def _began(api: Api, pod: str) -> float:
    """Read from its log when the step ran."""
    with api.text(f"{_PODS}/{pod}/log", query={"container": "executor"}, silence=_SILENCE) as chunks:
        found = _UPTIME.search(b"".join(chunks))
    assert found is not None
    with open("/proc/uptime") as file:
        now = float(file.read().split()[0])
    return time.time() - (now - float(found[1]))


def _table(measured: Sequence[Mapping[str, float]]) -> str:
    lines = ["| | median | least | most |", "|---|---|---|---|"]
    for name in (_BARE, _STEP, _MORE, _POD, _END, _READY, _TOLD, _CACHED, _CACHED_MORE, _USUAL, _LODGED):
        seconds = [each[name] for each in measured]
        lines.append(f"| {name} | {median(seconds):.2f} | {min(seconds):.2f} | {max(seconds):.2f} |")
    return "\n".join(lines)
