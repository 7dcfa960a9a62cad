"""What several folders of tests build with."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.bases import busybox
from support.executor import Executor
from support.gate import Gate, running_gate
from support.registry import Certificate, Registry, make_certificate, running_registry
from support.site import Site


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that lets anybody in; tests keep apart by their repositories' names."""
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def gate(registry: Registry) -> Iterator[Gate]:
    """A gate before the registry, which can spoil what goes through."""
    with running_gate(registry.host) as running:
        yield running


@pytest.fixture(scope="session")
def other_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def secure_registry(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("registry")
    with running_registry(folder, passwords=True, certificate=certificate) as running:
        yield running


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A repository's name that no other test has."""
    return re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:120]


@pytest.fixture
def executor(tmp_path: Path) -> Executor:
    """Runs the executor on a context and a root of the test's own."""
    if os.geteuid() != 0:
        pytest.skip("a build is root's")
    return Executor(tmp_path)


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
