"""The cluster that tests run on: the throwaway one, or with CLUSTER=current the developer's own."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "cluster"


@dataclass(frozen=True, slots=True)
class Cluster:
    """How a cluster is reached; `mirror` stands in for docker.io (empty: docker.io itself is used).

    `kubelet` is the folder that its nodes' kubelets work in.
    """

    kubeconfig: Path
    registry: str
    bin: Path
    mirror: str
    kubelet: str

    def kubectl(self, *arguments: str, input: str | None = None) -> str:  # noqa: A002 as subprocess calls it
        """Return what kubectl prints; raises `KubectlError`, with what it complains of, where it fails."""
        done = subprocess.run(
            [self.bin / "kubectl", *arguments],
            input=input,
            env={
                **os.environ,
                "KUBECONFIG": str(self.kubeconfig),
                "KUBECACHEDIR": "/dev/null",  # a cache would outlive the cluster, whose address comes again
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise KubectlError(arguments, done.stderr.strip())
        return done.stdout


class KubectlError(Exception):
    """kubectl failed."""

    def __init__(self, arguments: tuple[str, ...], complaint: str) -> None:
        super().__init__(f"kubectl {' '.join(arguments)}: {complaint}")
        self.arguments = arguments
        self.complaint = complaint


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster, brought up where it is not; tests are skipped, with the reason, where it cannot run."""
    if os.environ.get("CLUSTER") != "current":
        skip_where_it_cannot_run()
    lines = subprocess.run(
        [SCRIPTS / "use"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.splitlines()
    values = dict(line.split("=", 1) for line in lines)
    return Cluster(
        Path(values["KUBECONFIG"]),
        values["REGISTRY"],
        Path(values["BIN"]),
        values["MIRROR"],
        f"{values['WORK']}/kubelet" if "WORK" in values else "/var/lib/kubelet",
    )


def skip_where_it_cannot_run() -> None:
    """Skip a test, with the reason, on a machine that is not fit."""
    can = subprocess.run([SCRIPTS / "can"], stdout=subprocess.PIPE, text=True, check=False)
    if can.returncode:
        pytest.skip(can.stdout.strip())
