"""Entries in a repository of a real registry, behind what spoils its answers."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.clients import plain_client
from support.gate import Gate, Passed, Spoiled
from support.registry import Registry
from yadokari_builder.cache.steps.entry import Entry, Trace, format_entry
from yadokari_builder.cache.steps.store import RegistryStore
from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.oci import media_types
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.source import LocalLayer

LARGE = bytes(1 << 20)
PUSH = "pull%2Cpush"


@pytest.fixture
def store(gate: Gate, name: str) -> Iterator[RegistryStore]:
    with plain_client() as client:
        yield RegistryStore(client, Repository(gate.host, name), is_written=True)


def write(store: RegistryStore, key: str, content: bytes) -> None:
    descriptor = Descriptor(media_types.OCI_LAYER, Digest.of(content), len(content))
    layer = LocalLayer(Layer(descriptor, Digest.of(content)), lambda: io.BytesIO(content))
    entry = Entry(key, f"layer:{key}", layer.layer, 0)
    store.write([format_entry(entry, "RUN x", Platform("linux", "amd64"), Trace())], layer)


def pulls_only(gate: Gate, *, tells: bool) -> Callable[[Passed], Spoiled | None]:
    """Want tokens: who asks for the right to push gets none, or one that is good for nothing."""

    def spoil(request: Passed) -> Spoiled | None:
        if request.path.startswith("/token"):
            wants_more = PUSH in request.path
            if wants_more and tells:
                return Spoiled(status=403, body=b'{"errors":[{"code":"DENIED"}]}')
            token = "nothing" if wants_more else "pull"
            return Spoiled(status=200, body=json.dumps({"token": token}).encode())
        if request.headers.get("Authorization") == "Bearer pull":
            return None
        challenge = f'Bearer realm="http://{gate.host}/token",service="s"'
        return Spoiled(status=401, headers={"WWW-Authenticate": challenge})

    return spoil


@pytest.mark.parametrize("tells", [True, False])
def test_who_may_not_push_is_told_so_once_and_reads(store: RegistryStore, gate: Gate, tells: bool) -> None:
    for key in ("a", "b", "c"):
        write(store, key, key.encode())
    gate.spoil = pulls_only(gate, tells=tells)
    assert all(store.find(key) for key in ("a", "b", "c"))
    assert store.find("d") is None
    assert gate.count("GET", PUSH) == 1


@pytest.mark.parametrize("status", [405, 501])
def test_a_layer_is_looked_for_by_get_where_head_is_not_allowed(
    store: RegistryStore, gate: Gate, registry: Registry, status: int
) -> None:
    gate.spoil = lambda request: Spoiled(status=status) if request.method == "HEAD" else None
    for key, content in (("large", LARGE), ("small", b"small"), ("other", b"other"), ("gone", b"gone")):
        write(store, key, content)
    blob(registry, b"other").write_bytes(b"longer than it was")
    blob(registry, b"gone").unlink()
    assert store.find("large")
    assert store.find("small")
    with pytest.raises(ImageInvalidError, match="its layer has 18 bytes, not 5"):
        store.find("other")
    with pytest.raises(ImageInvalidError, match="its layer is gone"):
        store.find("gone")


def blob(registry: Registry, content: bytes) -> Path:
    digest = Digest.of(content).hex
    return registry.storage / "docker/registry/v2/blobs/sha256" / digest[:2] / digest / "data"
