"""A namespace for each test, with Yadokari at work in the cluster."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cluster import Cluster, cluster
from support.imagebuilds import Builds
from support.installation import Installation, installation

__all__ = ["cluster", "installation"]


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def builds(
    cluster: Cluster,
    installation: Installation,
    namespace: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Builds]:
    """ImageBuilds, which may be asked to be built in their bases, and then are."""
    lodging = getattr(request, "param", "")
    builds = Builds(cluster, namespace, tmp_path, lodging)
    yield builds
    if lodging:
        assert bool(builds.bases()) == (lodging == "Always")
