"""The command `bench/pods`."""

import argparse
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from kubernetes import client, config

from benchmark.table import machine
from yadokari_operator.cluster.api import Api
from yadokari_operator.pods import runtime

TESTS = Path(__file__).resolve().parents[2] / "tests"
_PODS = "/api/v1/namespaces/default/pods"
ALONE, _WITH_VOLUME = "the image alone", "with an emptyDir"
_WAYS: Mapping[str, runtime.Way | None] = {
    ALONE: None,
    _WITH_VOLUME: None,
    "ImageVolume": "ImageVolume",
    "InitContainer": "InitContainer",
}
"""How the executor's own files come into the pod; in the first two, they are just those of its image."""
_COMMAND = [
    "/yadokari/bin/python3",
    "-ISc",
    "import time; open('/dev/termination-log', 'w').write(f'{time.time()}')",
]
_SILENCE = 60.0
"""Seconds after which a pod of which nothing is heard is given up."""


def main(arguments: Sequence[str], description: str) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="bench/pods", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="how often (15)")
    rounds = parser.parse_args(arguments).rounds
    cluster = values_of(TESTS / "cluster" / "use")
    image = values_of(TESTS / "images", "push", cluster["REGISTRY"])["EXECUTOR_IMAGE"]
    settings = client.Configuration()
    config.load_kube_config(cluster["KUBECONFIG"], client_configuration=settings)  # type: ignore[no-untyped-call]
    api = Api.of(settings)
    for way in _WAYS:
        run(api, measured_pod(way, image))  # the node pulls the image
    taken: Mapping[str, list[float]] = {way: [] for way in _WAYS}
    for _ in range(rounds):
        for way in _WAYS:
            taken[way].append(run(api, measured_pod(way, image))[0])
    print(f"{machine()}; {rounds} rounds\n")
    print(_table(taken))
    return 0


def values_of(*command: str | Path) -> Mapping[str, str]:
    """Run a command that prints NAME=VALUE lines."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def measured_pod(name: str, image: str) -> dict[str, Any]:
    """Make a pod whose files come in this way, and whose program says when it runs."""
    container: dict[str, Any] = {"name": "executor", "image": image, "command": _COMMAND}
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
    }
    way = _WAYS[name]
    if name == _WITH_VOLUME:
        container["volumeMounts"] = [{"name": "work", "mountPath": "/yadokari/work"}]
        pod["volumes"] = [{"name": "work", "emptyDir": {}}]
    if way is not None:
        container["volumeMounts"] = runtime.mounts(way)
        pod |= {
            "volumes": runtime.volumes(way, image),
            "initContainers": runtime.init_containers(way, image, {}),
        }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "measured-"}, "spec": pod}


def run(api: Api, pod: Mapping[str, Any]) -> tuple[float, float]:
    """Tell how long a pod takes until its program runs, and from its end, at once, until that is known.

    The pod is deleted then.
    """
    begin = time.time()
    made = api.request("POST", _PODS, body=pod)["metadata"]
    query = {
        "watch": "true",
        "fieldSelector": f"metadata.name={made['name']}",
        "resourceVersion": made["resourceVersion"],
    }
    with api.stream(_PODS, query=query, accept="application/json", silence=_SILENCE) as events:
        began = next(filter(None, (_beginning(event["object"]) for event in events)))
    known = time.time()
    api.request("DELETE", f"{_PODS}/{made['name']}")
    return began - begin, known - began


def _beginning(pod: Mapping[str, Any]) -> float | None:
    """Tell when a pod's program ran, in seconds since the epoch, once it has ended."""
    states = [each["state"] for each in pod["status"].get("containerStatuses", [])]
    ended = [state["terminated"] for state in states if "terminated" in state]
    if any(each["exitCode"] for each in ended):
        raise RuntimeError(f"a pod failed: {ended}")
    return float(ended[0]["message"]) if ended else None


def _table(taken: Mapping[str, Sequence[float]]) -> str:
    lines = ["| | median | more | least | more |", "|---|---|---|---|---|"]
    base = taken[_WITH_VOLUME]
    for way, seconds in taken.items():
        middle, least = median(seconds), min(seconds)
        more = (middle - median(base), least - min(base))
        lines.append(f"| {way} | {middle:.2f} | {more[0]:.2f} | {least:.2f} | {more[1]:.2f} |")
    return "\n".join(lines)
