"""Outlines of a hostile cache: what no build would have written costs a warning, and the layer is read."""

import io
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from support.archives import archive, directory, file, link
from support.registry import Registry
from support.site import Site
from yadokari_builder.cache.steps.entry import Entry, Trace, format_entry
from yadokari_builder.cache.steps.folder import FolderStore
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.media_types import OCI_LAYER_ZSTD
from yadokari_builder.oci.platform import Platform
from yadokari_builder.registry.source import LocalLayer

DOCKERFILE = "FROM busybox\nCOPY src /srv/w/\n"


@pytest.fixture
def cache(stocked_registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> FolderStore:
    """A cache in which a build has left the outline of its base."""
    caplog.set_level(logging.WARNING)
    store = FolderStore(str(tmp_path / "cache"))
    build(stocked_registry, tmp_path / "first", store)
    assert len(outlines(store)) == 1
    return store


def build(registry: Registry, folder: Path, cache: FolderStore, dockerfile: str = DOCKERFILE) -> Path:
    """Build with a cache, in which the steps are not looked for; returns the root."""
    site = Site(folder, registry.host)
    (site.context / "src").mkdir(parents=True)
    (site.context / "src/main").write_text("main\n")
    site.session(dockerfile, cache=True, cache_repo=str(cache)).run()
    return site.root


def outlines(cache: FolderStore) -> list[str]:
    index = json.loads((Path(cache.path) / "index.json").read_text())
    names = (manifest["annotations"]["org.opencontainers.image.ref.name"] for manifest in index["manifests"])
    return [name for name in names if name.startswith("outline-")]


def put(cache: FolderStore, name: str, data: bytes) -> None:
    """Put what may be no outline in the place of one."""
    layer = Layer(Descriptor(OCI_LAYER_ZSTD, Digest.of(data), len(data)), Digest.of(data))
    document = format_entry(Entry(name, "", layer, 1 << 35, 0), "names", Platform("linux", "amd64"), Trace())
    cache.write([document], LocalLayer(layer, lambda: io.BytesIO(data)))


def packed(*members: bytes) -> bytes:
    return zstandard.compress(b"".join(members))


def names_without_end() -> bytes:
    piece = archive(file("yadokari.names", b"x" * (4 << 20))).getvalue()
    piece = piece[: (4 << 20) + 512]
    compressor = zstandard.ZstdCompressor().compressobj()
    return b"".join([*(compressor.compress(piece) for _ in range(65)), compressor.flush()])


HOSTILE: dict[str, Callable[[], bytes]] = {
    "what is no archive": lambda: b"hostile",
    "what ends too early": lambda: packed(archive(directory("a")).getvalue()[:300]),
    "a link to itself": lambda: packed(archive(link("srv", "srv"), directory("srv/w")).getvalue()),
    "a file of its own": lambda: packed(archive(file("bin/sh", b"hostile")).getvalue()),
    "accounts without end": lambda: packed(archive(file("etc/passwd", bytes(2 << 20))).getvalue()),
    "sparse accounts": lambda: packed(
        archive(
            file(
                "etc/passwd",
                pax_headers={"GNU.sparse.map": "", "GNU.sparse.size": f"{1 << 60}"},
            )
        ).getvalue()
    ),
    "names without end": names_without_end,
    "more than an outline may take": lambda: os.urandom((16 << 20) + 1),
}
LONG = {"names without end": pytest.mark.long}


@pytest.mark.parametrize(
    "hostile", [pytest.param(make, id=what, marks=LONG.get(what, ())) for what, make in HOSTILE.items()]
)
def test_what_is_no_outline_costs_a_warning(
    hostile: Callable[[], bytes],
    cache: FolderStore,
    stocked_registry: Registry,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (name,) = outlines(cache)
    put(cache, name, hostile())
    root = build(stocked_registry, tmp_path / "second", cache)
    assert (root / "srv/w/main").read_text() == "main\n"
    assert "root:" in (root / "etc/passwd").read_text()
    assert [record.getMessage() for record in caplog.records if "the names in a layer" in record.getMessage()]
    caplog.clear()
    build(stocked_registry, tmp_path / "third", cache)
    assert not caplog.records, "the build that read the layer has left its outline"


def test_an_outline_that_lies_leads_nowhere_out_of_the_root(
    cache: FolderStore, stocked_registry: Registry, tmp_path: Path
) -> None:
    (name,) = outlines(cache)
    names = b"../../out\0/srv/w/out\0srv/../../../out\0"
    out = link("srv", "../../../../..")
    put(cache, name, packed(archive(out, file("yadokari.names", names)).getvalue()))
    before = sorted(os.listdir("/"))
    root = build(stocked_registry, tmp_path / "second", cache)
    # The cache's writer decides where in the image it is, as with what steps have left.
    assert (root / "w/main").read_text() == "main\n"
    assert sorted(os.listdir("/")) == before
    assert sorted(os.listdir(tmp_path / "second")) == ["context", "root"]


def test_an_outline_under_another_layers_name_is_left_out(
    cache: FolderStore, stocked_registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    index = Path(cache.path) / "index.json"
    (name,) = outlines(cache)
    put(cache, "outline-" + "0" * 56, packed(archive(directory("other")).getvalue()))
    manifests = json.loads(index.read_text())
    tag = "org.opencontainers.image.ref.name"
    of_other = next(each for each in manifests["manifests"] if each["annotations"][tag] not in (name,))
    manifests["manifests"] = [{**of_other, "annotations": {tag: name}}]
    index.write_text(json.dumps(manifests))
    root = build(stocked_registry, tmp_path / "second", cache)
    assert not (root / "other").exists()
    assert "one for something else" in caplog.text
