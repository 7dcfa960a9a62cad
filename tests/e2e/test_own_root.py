"""The experiment that the project comes from: a Deployment of the debug image, and a build by hand in it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cluster import Cluster
from support.installation import Installation

pytestmark = pytest.mark.cluster

DOCKERFILE = Path(__file__).parents[2] / "examples" / "nginx" / "Dockerfile"
KUSTOMIZATION = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [deployment.yaml]
configMapGenerator:
  - name: dockerfile
    files: [Dockerfile]
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: workbench}
spec:
  selector: {matchLabels: {app: workbench}}
  template:
    metadata: {labels: {app: workbench}}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 0
      containers:
        - name: executor
          image: %(image)s
          command: [/busybox/sleep, infinity]
          env:
            - {name: KANIKO_REGISTRY_MIRROR, value: "http://%(registry)s"}
          volumeMounts:
            - {name: dockerfile, mountPath: /test/Dockerfile, subPath: Dockerfile}
      volumes:
        - name: dockerfile
          configMap: {name: dockerfile}
"""


class Workbench:
    """A shell of the debug image in a pod of a Deployment."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace

    def run(self, *command: str) -> str:
        return self._cluster.kubectl(
            "-n", self._namespace, "exec", "deployment/workbench", "-c", "executor", "--", *command
        )

    def names_in(self, folder: str) -> set[str]:
        return set(self.run("/busybox/ls", "-A", folder).split())

    def copy(self, source: Path, destination: str) -> None:
        pod = self._cluster.kubectl("-n", self._namespace, "get", "pods", "-l", "app=workbench", "-o", "name")
        name = pod.strip().removeprefix("pod/")
        self._cluster.kubectl("cp", str(source), f"{self._namespace}/{name}:{destination}", "-c", "executor")


@pytest.fixture
def workbench(
    cluster: Cluster, installation: Installation, namespace: str, tmp_path: Path
) -> Iterator[Workbench]:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE.read_text())
    (tmp_path / "kustomization.yaml").write_text(KUSTOMIZATION)
    (tmp_path / "deployment.yaml").write_text(
        DEPLOYMENT % {"image": installation.debug_image, "registry": cluster.registry}
    )
    cluster.kubectl("-n", namespace, "apply", "-k", str(tmp_path))
    cluster.kubectl("-n", namespace, "rollout", "status", "deployment/workbench", "--timeout=120s")
    yield Workbench(cluster, namespace)
    cluster.kubectl("-n", namespace, "delete", "deployment/workbench", "--now")


def test_a_build_by_hand_at_the_level_shared_uses_the_containers_own_root(workbench: Workbench) -> None:
    assert workbench.names_in("/") <= {
        "busybox", "dev", "etc", "kaniko", "proc", "sys", "test", "var", "run", "yadokari",
    }  # fmt: skip
    assert workbench.names_in("/etc") <= {"hosts", "hostname", "resolv.conf", "mtab"}

    log = workbench.run(
        "/busybox/sh",
        "-c",
        "cd /; /kaniko/executor --isolation=shared --context . --dockerfile /test/Dockerfile --no-push 2>&1",
    )

    assert "STEP 4/4 WORKDIR /etc/nginx" in log
    assert {"nginx", "vim", "debian_version", "passwd"} <= workbench.names_in("/etc")
    assert "nginx.conf" in workbench.names_in("/etc/nginx")
    assert "netstat" in workbench.run("/usr/bin/which", "netstat")


def test_a_context_copied_into_the_root_is_built_from_and_kept(workbench: Workbench, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "Dockerfile").write_text("FROM busybox\nCOPY greeting /greeting\nRUN cat /greeting\n")
    (source / "greeting").write_text("good morning\n")
    workbench.copy(source, "/source")

    log = workbench.run("/busybox/sh", "-c", "/kaniko/executor --context /source --no-push 2>&1")

    assert "\ngood morning\n" in log
    kept = workbench.run("/busybox/find", "/", "-xdev", "-name", "Dockerfile", "!", "-path", "/test/*")
    assert kept.strip(), "the context's files must outlive the build"


def test_one_build_after_the_other_works_in_the_same_container(workbench: Workbench, tmp_path: Path) -> None:
    for number in ("first", "second"):
        source = tmp_path / number
        source.mkdir()
        (source / "Dockerfile").write_text(
            f"FROM busybox\nCOPY . /{number}\nRUN ls / && test -e /{number}/Dockerfile\n"
        )
        workbench.copy(source, f"/{number}")
        log = workbench.run(
            "/busybox/sh", "-c", f"cd / && /kaniko/executor --context /{number} --no-push 2>&1"
        )
    assert "\nsecond\n" in log
    assert "\nfirst\n" not in log


def test_the_log_is_one_json_object_a_line_for_machines(workbench: Workbench) -> None:
    log = workbench.run(
        "/busybox/sh", "-c",
        "cd / && /kaniko/executor --context . --dockerfile /test/Dockerfile --no-push --log-format json 2>&1",
    )  # fmt: skip
    records = [json.loads(line) for line in log.splitlines()]
    assert {record["kind"] for record in records if "kind" in record} >= {"step", "output", "done"}
