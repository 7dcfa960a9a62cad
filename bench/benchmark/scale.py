"""How the operator fares among many ImageBuilds, and among much that is none of its business."""

import argparse
import base64
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from support.cluster import SCRIPTS
from support.control_plane import running_control_plane
from support.operator_process import Kubectl, OperatorProcess, install, wait_until
from support.pretended import image_builds, running_nodes
from yadokari_operator.cluster.api import Api

NAMESPACE = "team"
BUILDS = f"/apis/yadokari.dev/v1alpha1/namespaces/{NAMESPACE}/imagebuilds"
FOREIGN = "/api/v1/namespaces/default"
TOUCHED = {"buildArgs": {"CHANGED": "1"}}


def make(api: Api, path: str, resources: Iterable[dict[str, Any]]) -> None:
    """Make many resources."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda it: api.request("POST", path, body=it), resources))


def foreign_pods(number: int) -> Iterable[dict[str, Any]]:
    """Pods of others, each with what a usual one has of variables and annotations."""
    variables = [{"name": f"VARIABLE_{index}", "value": "x" * 100} for index in range(20)]
    for index in range(number):
        container = {"name": "app", "image": "registry.test/app:1", "env": variables}
        metadata = {
            "name": f"foreign-{index}",
            "labels": {"app": "foreign"},
            "annotations": {"a": "y" * 1000},
        }
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def foreign_config_maps(number: int, kilobytes: int) -> Iterable[dict[str, Any]]:
    """ConfigMaps of others."""
    content = base64.b64encode(os.urandom(kilobytes * 768)).decode()
    for index in range(number):
        metadata = {"name": f"foreign-{index}"}
        yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"x": content}}


def statuses(api: Api) -> list[dict[str, Any]]:
    """Tell the statuses of all ImageBuilds that were looked at."""
    found = (it.get("status", {}) for it in api.request("GET", BUILDS)["items"])
    return [it for it in found if it.get("observedGeneration", -1) > 0]


def until(holds: Callable[[], bool], pause: float = 0.5) -> float:
    """Wait until something holds; tell in how many seconds."""
    begin = time.monotonic()
    while not holds():
        time.sleep(pause)
    return time.monotonic() - begin


def picked_up(api: Api, name: str) -> float:
    """Change an ImageBuild; tell in how many seconds its new pod is there."""
    build = api.request("GET", f"{BUILDS}/{name}")
    before = build["status"]["run"]["number"]
    build["spec"] |= TOUCHED
    api.request("PUT", f"{BUILDS}/{name}", body=build)
    return until(lambda: api.request("GET", f"{BUILDS}/{name}")["status"]["run"]["number"] > before, 0.02)


def measure(arguments: argparse.Namespace, programs: Path, folder: Path) -> None:
    """Measure all of it, and print it as it comes."""
    with running_control_plane(programs) as plane:
        api = plane.api
        kubectl = Kubectl(plane.cluster, "yadokari-system")
        kubectl("create", "namespace", NAMESPACE)
        operator = OperatorProcess(install(kubectl, folder, "default"), "", folder / "log")
        make(api, f"{FOREIGN}/pods", foreign_pods(arguments.pods))
        make(api, f"{FOREIGN}/configmaps", foreign_config_maps(arguments.config_maps, arguments.kilobytes))
        try:
            operator.start()
            wait_until(lambda: "this operator works" in operator.log)
            with running_nodes(api, NAMESPACE, 0):
                made = time.monotonic()
                make(api, BUILDS, image_builds(arguments.builds)["items"])
                print(f"made {arguments.builds} ImageBuilds in {time.monotonic() - made:.1f} s")
                until(lambda: len(statuses(api)) == arguments.builds, 1)
                print(f"all have a status {time.monotonic() - made:.1f} s after the first was made")
                until(lambda: {it["phase"] for it in statuses(api)} == {"Succeeded"}, 1)
                took = time.monotonic() - made
                busy = operator.processor_time
                print(f"all are built after {took:.1f} s; the operator took {busy:.1f} s of a core")
                print(
                    f"memory: {operator.memory / 2**20:.0f} MB, {operator.peak_memory / 2**20:.0f} MB at most"
                )
                until(lambda: operator.is_idle)
                begin, before = time.monotonic(), operator.processor_time
                time.sleep(arguments.idle)
                share = (operator.processor_time - before) / (time.monotonic() - begin)
                print(f"idle: {100 * share:.2f} % of a core, {operator.memory / 2**20:.0f} MB")
                changes = sorted(picked_up(api, f"b-{index}") for index in range(10))
                print(f"a change is picked up after {changes[5]:.2f} s, {changes[-1]:.2f} s at most")
                operator.stop()
                begin = time.monotonic()
                operator.start()
                wait_until(lambda: operator.log.count("this operator works") == 2)
                print(f"started anew, it works after {time.monotonic() - begin:.1f} s, and", end=" ")
                print(f"picks up a change {picked_up(api, 'b-20'):.1f} s later, while it looks at all")
                print(
                    f"memory: {operator.memory / 2**20:.0f} MB, {operator.peak_memory / 2**20:.0f} MB at most"
                )
        finally:
            operator.stop()
            complaints = [line for line in operator.log.splitlines() if " INFO " not in line]
            print(*complaints[:20], sep="\n")


def main(words: list[str], doc: str | None) -> int:
    """Measure as the command line says; tells the exit status."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--builds", type=int, default=2000)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--config-maps", type=int, default=500)
    parser.add_argument("--kilobytes", type=int, default=500)
    parser.add_argument("--idle", type=int, default=60, help="seconds to look at an idle operator")
    arguments = parser.parse_args(words)
    built = subprocess.run([SCRIPTS / "build"], stdout=subprocess.PIPE, text=True, check=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        measure(arguments, Path(built.strip()), Path(folder))

    return 0
