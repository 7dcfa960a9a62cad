"""Yadokari installed on the cluster by `kubectl apply -k`, once for all tests that need it."""

import os
import subprocess
from dataclasses import dataclass

import pytest

from support.cluster import SCRIPTS, Cluster


@dataclass(frozen=True, slots=True)
class Installation:
    """The images that were installed, as the cluster's nodes pull them."""

    executor_image: str
    debug_image: str
    operator_image: str


@pytest.fixture(scope="session")
def installation(cluster: Cluster) -> Installation:
    """Yadokari of this checkout in the namespace yadokari-system."""
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    lines = subprocess.run(
        [SCRIPTS / "install"], stdout=subprocess.PIPE, text=True, check=True, env=environment
    ).stdout.splitlines()
    values = dict(line.split("=", 1) for line in lines)
    return Installation(values["EXECUTOR_IMAGE"], values["DEBUG_IMAGE"], values["OPERATOR_IMAGE"])
