"""The operator as a process of the host, in one namespace of a real cluster and with its own rights only."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from support.cluster import Cluster
from yadokari_contract.results.build import BuildResult, format_result

ROOT = Path(__file__).parents[2]
DIGEST = "sha256:" + "1" * 64
_MESSAGE = "/dev/termination-log"


def says(result: BuildResult) -> str:
    """A script that leaves a result, as the executor does."""
    return f"cat > {_MESSAGE} <<'EOF'\n{format_result(result)}\nEOF\n"


BUILT = says(BuildResult(digest=DIGEST))


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something to hold."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"it did not hold within {seconds} s"
        time.sleep(0.2)


class Kubectl:
    """kubectl in one namespace, as the cluster's administrator."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.namespace = namespace
        self._cluster = cluster

    def __call__(self, *arguments: str, stdin: Any = None) -> str:
        """Return what it prints; `stdin` is a resource to hand over."""
        text = None if stdin is None else json.dumps(stdin)
        return self._cluster.kubectl("-n", self.namespace, *arguments, input=text)

    def get(self, kind: str, name: str = "") -> dict[str, Any]:
        """Read a resource, or list those of a kind."""
        found: dict[str, Any] = json.loads(self("get", kind, *filter(None, [name]), "-o", "json"))
        return found


def install(kubectl: Kubectl, folder: Path, base: str = "namespaced") -> Path:
    """Install all of kustomize/`base` but the Deployment; gives a kubeconfig with the operator's rights."""
    kustomization = {
        "namespace": kubectl.namespace,
        "resources": [os.path.relpath(ROOT / "kustomize" / base, folder.resolve())],
        "patches": [
            {
                "patch": yaml.safe_dump(
                    {
                        "$patch": "delete",
                        "apiVersion": "apps/v1",
                        "kind": "Deployment",
                        "metadata": {"name": "yadokari"},
                    }
                )
            }
        ],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    kubectl("apply", "-k", str(folder))
    kubectl("wait", "--for=condition=Established", "crd/imagebuilds.yadokari.dev", "--timeout=20s")
    config = json.loads(kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    config["users"][0]["user"] = {"token": kubectl("create", "token", "yadokari").strip()}
    own = folder / "kubeconfig"
    own.write_text(json.dumps(config))
    return own


class OperatorProcess:
    """An operator that can be stopped, killed and started again."""

    def __init__(self, kubeconfig: Path, namespace: str, log: Path) -> None:
        port = _free_port()
        self.metrics_port = _free_port()
        self._health = f"http://127.0.0.1:{port}/healthz"
        self._environment = {
            **os.environ,
            "YADOKARI_NAMESPACE": namespace,
            "YADOKARI_EXECUTOR_RUNTIME": "InitContainer",  # as Unseen makes pods, whatever the cluster has
            "YADOKARI_HEALTH_ADDRESS": f"127.0.0.1:{port}",
            "YADOKARI_METRICS_ADDRESS": f"127.0.0.1:{self.metrics_port}",
            "KUBECONFIG": str(kubeconfig),
            "PYTHONPATH": f"{ROOT}/operator:{ROOT}/builder",
            "PYTHONFAULTHANDLER": "1",
        }
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **settings: str) -> None:
        """Start it, with further variables."""
        environment = self._environment | settings
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "yadokari_operator"], env=environment, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """Kill it without notice."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Stop it as Kubernetes does; gives its exit status."""
        return self._end(signal.SIGTERM)

    def send(self, how: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(how)

    def wait(self) -> int:
        """Wait until it ends by itself; gives its exit status."""
        assert self._process is not None
        process, self._process = self._process, None
        # A request that is under way comes to its end first, or to its time limit.
        return self._end_of(process, seconds=90)

    @property
    def health(self) -> dict[str, str]:
        """What it says of its health; nothing while it does not answer."""
        try:
            with urllib.request.urlopen(self._health, timeout=5) as answer:
                told: dict[str, str] = json.load(answer)
                return told
        except OSError:
            return {}

    @property
    def memory(self) -> int:
        """How much memory it holds, in bytes."""
        return self._in_status("VmRSS")

    @property
    def peak_memory(self) -> int:
        """How much memory it held at most, in bytes."""
        return self._in_status("VmHWM")

    @property
    def is_idle(self) -> bool:
        """Whether it takes next to nothing of a processor, for some seconds."""
        before = self.processor_time
        time.sleep(5)
        return self.processor_time - before < 0.25

    def _in_status(self, name: str) -> int:
        assert self._process is not None
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))

    @property
    def processor_time(self) -> float:
        """How many seconds of processors it has used."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def log(self) -> str:
        """What it logged so far."""
        return self._log.read_text() if self._log.exists() else ""

    def _end(self, how: signal.Signals) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(how)
        return self._end_of(process)

    def _end_of(self, process: "subprocess.Popen[bytes]", seconds: float = 30) -> int:
        """Wait for its end; one that does not come says where it is, and is gone."""
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            process.wait(timeout=30)
            raise AssertionError(f"it does not end:\n{self.log[-12000:]}") from None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


class Builds:
    """ImageBuilds whose executor is a shell script, given in place of the Dockerfile."""

    def __init__(self, kubectl: Kubectl, image: str) -> None:
        self.kubectl = kubectl
        self.image = image

    def apply(self, name: str, script: str | None, **spec: Any) -> None:
        """Apply an ImageBuild; without a script, `spec` says where it comes from."""
        self.kubectl("apply", "-f", "-", stdin=self._build(name, script, spec))

    def apply_all(self, scripts: Mapping[str, str]) -> None:
        """Apply many ImageBuilds at once, each with its script."""
        items = [self._build(name, script, {}) for name, script in scripts.items()]
        self.kubectl("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": items})

    def _build(self, name: str, script: str | None, spec: Mapping[str, Any]) -> dict[str, Any]:
        dockerfile = {} if script is None else {"dockerfile": script}
        return {
            "apiVersion": "yadokari.dev/v1alpha1",
            "kind": "ImageBuild",
            "metadata": {"name": name},
            "spec": {
                "executor": {"image": self.image},
                "destinations": [{"image": "registry.test/app:1"}],
                **dockerfile,
                **spec,
            },
        }

    def status(self, name: str) -> dict[str, Any]:
        """Read what the operator says."""
        status: dict[str, Any] = self.kubectl.get("imagebuild", name)["status"]
        return status

    def reason(self, name: str) -> str:
        """Read why it is ready or not."""
        conditions = self.status(name).get("conditions", [])
        return next((condition["reason"] for condition in conditions if condition["type"] == "Ready"), "")

    def wait(self, name: str, done: Callable[[dict[str, Any]], bool], seconds: float = 40) -> dict[str, Any]:
        """Wait for a status."""
        end = time.monotonic() + seconds
        while True:
            status = self.status(name)
            if done(status):
                return status
            if time.monotonic() > end:
                raise TimeoutError(f"{name} did not come to it within {seconds} s: {status}")
            time.sleep(0.2)

    def wait_for_phase(self, name: str, phase: str, seconds: float = 40) -> dict[str, Any]:
        """Wait until it is in a phase, of the spec as it is now."""
        generation = self.kubectl.get("imagebuild", name)["metadata"]["generation"]
        return self.wait(
            name, lambda s: s.get("phase") == phase and s["observedGeneration"] == generation, seconds
        )

    def wait_for_reason(self, name: str, reason: str, seconds: float = 40) -> dict[str, Any]:
        """Wait until its Ready condition has a reason."""
        return self.wait(name, lambda s: reason in {c["reason"] for c in s.get("conditions", [])}, seconds)

    def pods(self, name: str) -> list[str]:
        """Name its pods that are not going away."""
        return self._made("pods", name)

    def config_maps(self, name: str) -> list[str]:
        """Name the ConfigMaps with its inputs."""
        return self._made("configmaps", name)

    def _made(self, plural: str, name: str) -> list[str]:
        return [
            item["metadata"]["name"]
            for item in self.kubectl.get(plural)["items"]
            if item["metadata"].get("labels", {}).get("yadokari.dev/imagebuild") == name
            and "deletionTimestamp" not in item["metadata"]
        ]

    def events(self, name: str) -> list[tuple[str, str]]:
        """Give the types and reasons of its Events, in order."""
        found = self.kubectl(
            "get",
            "events",
            "--field-selector",
            f"involvedObject.name={name},involvedObject.kind=ImageBuild",
            "-o",
            "json",
        )
        items = sorted(json.loads(found)["items"], key=lambda event: str(event["firstTimestamp"]))
        return [(event["type"], event["reason"]) for event in items]
