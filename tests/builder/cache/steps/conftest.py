"""Places to build in, and an image to start from."""

import os
import shutil
from pathlib import Path

import pytest

from support.bases import busybox
from support.registry import Registry
from support.site import Site


@pytest.fixture(scope="session")
def stocked_registry(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """The registry with busybox in it, as Docker Hub has it."""
    if os.geteuid() != 0 or not (shutil.which("busybox") and shutil.which("skopeo")):
        pytest.skip("needs root, busybox-static and skopeo")
    layout = tmp_path_factory.mktemp("busybox")
    busybox.make(layout, "2024-05-01T12:00:00Z")
    registry.skopeo("copy", f"oci:{layout}", f"docker://{registry.host}/library/busybox")
    return registry


@pytest.fixture
def site(stocked_registry: Registry, tmp_path: Path) -> Site:
    return Site(tmp_path, stocked_registry.host)
