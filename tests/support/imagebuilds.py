"""Applying ImageBuilds in a namespace of their own and waiting for what comes of them."""

import json
import textwrap
import time
from pathlib import Path
from typing import Any

from support.cluster import Cluster

EXAMPLES = Path(__file__).parents[2] / "examples"


class Builds:
    """The ImageBuilds of one namespace; `lodging` is what they say of bases' own containers, if anything."""

    def __init__(self, cluster: Cluster, namespace: str, work: Path, lodging: str = "") -> None:
        self.namespace = namespace
        self._executor = {"executor": {"lodging": lodging}} if lodging else {}
        self._cluster = cluster
        self._work = work

    def apply(self, name: str, dockerfile: str | None, image: str, **spec: Any) -> None:
        """Apply an ImageBuild with the Dockerfile as text, or as `spec` says."""
        resource = {
            "apiVersion": "yadokari.dev/v1alpha1",
            "kind": "ImageBuild",
            "metadata": {"name": name},
            "spec": {
                **({} if dockerfile is None else {"dockerfile": textwrap.dedent(dockerfile)}),
                "destinations": [{"image": image, "insecure": True}],
                **self._executor,
                **spec,
            },
        }
        self._kubectl("apply", "-f", "-", stdin=json.dumps(resource))

    def apply_example(self, name: str, image: str) -> None:
        """Apply a folder of examples/ as it stands, with the destination replaced."""
        overlay = self._work / name
        overlay.mkdir()
        patch = [
            {"op": "replace", "path": "/spec/destinations/0", "value": {"image": image, "insecure": True}}
        ]
        relative = Path("../" * len(overlay.resolve().parts[1:])) / str(EXAMPLES / name).lstrip("/")
        kustomization = {
            "resources": [str(relative)],
            "patches": [{"target": {"kind": "ImageBuild"}, "patch": json.dumps(patch)}],
        }
        (overlay / "kustomization.yaml").write_text(json.dumps(kustomization))
        self._kubectl("apply", "-k", str(overlay))

    def status(self, name: str) -> dict[str, Any]:
        """Return the status of an ImageBuild."""
        resource = json.loads(self._kubectl("get", "imagebuild", name, "-o", "json"))
        status: dict[str, Any] = resource.get("status", {})
        if status.get("observedGeneration") != resource["metadata"]["generation"]:
            return {**status, "phase": "NotObserved", "conditions": []}
        return status

    def wait_until_done(self, name: str, *, seconds: float = 240, not_digest: str = "") -> dict[str, Any]:
        """Wait until an ImageBuild has succeeded or failed for good; returns its status."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            status = self.status(name)
            settled = {c["type"] for c in status.get("conditions", []) if c["status"] == "True"}
            if settled & {"Ready", "Stalled"} and status.get("output", {}).get("digest", "-") != not_digest:
                return status
            time.sleep(0.3)
        raise TimeoutError(
            f"{name} did not end within {seconds} s: {self.status(name)}\n{self._pods_described()}"
        )

    def wait_until_running(self, name: str, *, seconds: float = 60) -> None:
        """Wait until a build's pod runs."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            pod = self.status(name).get("run", {}).get("pod")
            if pod and self._kubectl("get", "pod", pod, "-o", "jsonpath={.status.phase}") == "Running":
                return
            time.sleep(0.3)
        raise TimeoutError(f"{name} does not run: {self.status(name)}\n{self._pods_described()}")

    def describe_until(self, name: str, word: str, *, seconds: float = 15) -> str:
        """Return what `kubectl describe` shows, once `word` is among it (Events come after the status)."""
        deadline = time.monotonic() + seconds
        while True:
            text = self._kubectl("describe", "imagebuild", name)
            if word in text.partition("\nEvents:")[2] or time.monotonic() > deadline:
                return text
            time.sleep(0.3)

    def pods(self, name: str) -> list[str]:
        """Names of the pods that an ImageBuild owns."""
        pods = json.loads(self._kubectl("get", "pods", "-o", "json"))["items"]
        return [
            pod["metadata"]["name"]
            for pod in pods
            if any(
                owner["kind"] == "ImageBuild" and owner["name"] == name
                for owner in pod["metadata"].get("ownerReferences", [])
            )
        ]

    def bases(self) -> list[str]:
        """Name the base images that pods of builds are of which are kept."""
        pods = json.loads(self._kubectl("get", "pods", "-o", "json"))["items"]
        words = [word for pod in pods for it in pod["spec"]["containers"] for word in it.get("args", [])]
        return [word.partition("=")[2] for word in words if word.startswith("--lodging=")]

    def run_pod(self, name: str, image: str, script: str) -> str:
        """Run a shell script in a pod of an image; returns what it printed."""
        self._kubectl(
            "run", name, f"--image={image}", "--restart=Never", "--image-pull-policy=Always",
            "--command", "--", "sh", "-c", script,
        )  # fmt: skip
        try:
            self._kubectl("wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=90s")
            return self._kubectl("logs", name)
        finally:
            self._kubectl("delete", "pod", name, "--now")

    def _pods_described(self) -> str:
        return self._kubectl("describe", "pods")

    def _kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self._cluster.kubectl("-n", self.namespace, *arguments, input=stdin)
