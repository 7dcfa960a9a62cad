"""Images read back from files."""

import gzip
import hashlib
import json
import tarfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from support.handmade import LocalImage, make_image
from yadokari_builder.errors import ImageInvalidError, UsageError
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.media_types import DOCKER_MANIFEST, OCI_MANIFEST
from yadokari_builder.outputs.docker_archive import write_docker_archive
from yadokari_builder.outputs.oci_layout import write_oci_layout
from yadokari_builder.outputs.stored import StoredImage, open_stored


@pytest.fixture
def made(tmp_path: Path) -> LocalImage:
    return make_image(tmp_path / "made", {"a": b"1" * 1000}, {"b": b"2"})


def archived(path: Path, files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> str:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, BytesIO(content))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return str(path)


def saved(made: LocalImage, *, layers: list[str] | None = None) -> dict[str, bytes]:
    """What docker save writes: layers that are not compressed."""
    files = {f"{number}/layer.tar": gzip.decompress(blob(made, number)) for number in range(len(made.layers))}
    listing = [{"Config": "config.json", "RepoTags": None, "Layers": layers or sorted(files)}]
    return {"config.json": made.image.config.format(), "manifest.json": json.dumps(listing).encode(), **files}


def blob(made: LocalImage, number: int) -> bytes:
    with made.layers[number].open() as file:
        return file.read()


def contents(stored: StoredImage) -> list[bytes]:
    blobs = []
    for layer in stored.layers:
        with layer.open() as file:
            blobs.append(file.read())
    return blobs


def test_a_layout_is_read_byte_for_byte(made: LocalImage, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    write_oci_layout(str(layout), made.image, made.layers, ())
    stored = open_stored(str(layout), tmp_path)
    assert stored.image.manifest_digest == made.image.manifest_digest
    assert stored.image.manifest.format() == made.image.manifest.format()
    assert stored.image.config.format() == made.image.config.format()
    assert contents(stored) == [blob(made, 0), blob(made, 1)]


def test_a_layout_may_have_digests_of_other_kinds(made: LocalImage, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    write_oci_layout(str(layout), made.image, made.layers, ())
    (layout / "blobs/sha512").mkdir()

    def renamed(descriptor: dict[str, Any]) -> dict[str, Any]:
        content = (layout / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()
        return descriptor | kept(content)

    def kept(content: bytes) -> dict[str, Any]:
        name = hashlib.sha512(content).hexdigest()
        (layout / "blobs/sha512" / name).write_bytes(content)
        return {"digest": f"sha512:{name}", "size": len(content)}

    manifest = json.loads(made.image.manifest.format())
    data = json.dumps(manifest | {"config": renamed(manifest["config"])}).encode()
    index = json.loads((layout / "index.json").read_text())
    index["manifests"] = [index["manifests"][0] | kept(data)]
    (layout / "index.json").write_text(json.dumps(index))
    image = open_stored(str(layout), tmp_path).image
    assert image.manifest.config.digest.algorithm == "sha512"
    # A registry names a manifest that is put under a tag by its SHA-256.
    assert image.manifest_digest == Digest.of(data)


def test_an_archive_has_dockers_kind_of_manifest_and_its_very_config_and_layers(
    made: LocalImage, tmp_path: Path
) -> None:
    write_docker_archive(str(tmp_path / "image.tar"), made.image, made.layers, ())
    stored = open_stored(str(tmp_path / "image.tar"), tmp_path)
    assert stored.image.manifest.media_type == DOCKER_MANIFEST != OCI_MANIFEST
    assert stored.image.manifest.config.digest == made.image.manifest.config.digest
    assert contents(stored) == [blob(made, 0), blob(made, 1)]


def test_plain_layers_are_compressed_and_links_between_them_followed(
    made: LocalImage, tmp_path: Path
) -> None:
    files = saved(made, layers=["one/layer.tar", "1/layer.tar"])
    path = archived(tmp_path / "saved.tar", files, {"one/layer.tar": "../0/layer.tar"})
    stored = open_stored(path, tmp_path)
    assert list(map(gzip.decompress, contents(stored))) == [files["0/layer.tar"], files["1/layer.tar"]]
    assert [layer.diff_id for layer in stored.image.layers] == [layer.layer.diff_id for layer in made.layers]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"manifest.json": b"[]"}, UsageError, "does not list one image"),
        ({"manifest.json": b"{"}, UsageError, "does not list one image"),
        ({"manifest.json": b" " * (5 << 20)}, ImageInvalidError, "larger than"),
        ({"config.json": b"[]"}, ImageInvalidError, "image config"),
        ({"1/layer.tar": b"other"}, ImageInvalidError, "has another content"),
        ({"1/layer.tar": None}, UsageError, "has no file 1/layer.tar"),
    ],
)
def test_a_broken_archive_is_refused(
    made: LocalImage, tmp_path: Path, changes: dict[str, bytes | None], error: type[Exception], message: str
) -> None:
    files = {name: content for name, content in (saved(made) | changes).items() if content is not None}
    with pytest.raises(error, match=message):
        open_stored(archived(tmp_path / "broken.tar", files), tmp_path)


def test_a_broken_layout_is_refused(made: LocalImage, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    layout.mkdir()
    with pytest.raises(UsageError, match=r"no index\.json"):
        open_stored(str(layout), tmp_path)
    write_oci_layout(str(layout), made.image, made.layers, ())
    index = json.loads((layout / "index.json").read_text())
    (layout / "index.json").write_text(json.dumps(index | {"manifests": index["manifests"] * 2}))
    with pytest.raises(UsageError, match="holds 2 images"):
        open_stored(str(layout), tmp_path)
    (layout / "index.json").write_text(json.dumps(index))
    config = layout / "blobs/sha256" / made.image.manifest.config.digest.hex
    content = config.read_bytes()
    config.write_bytes(content + b" ")
    with pytest.raises(ImageInvalidError, match="another content"):
        open_stored(str(layout), tmp_path)
    config.unlink()
    with pytest.raises(ImageInvalidError, match="is missing"):
        open_stored(str(layout), tmp_path)
    (tmp_path / "outside").write_bytes(content)
    config.symlink_to(tmp_path / "outside")
    with pytest.raises(ImageInvalidError, match="leads out of the layout"):
        open_stored(str(layout), tmp_path)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{tmp_path}/nothing cannot be read: .*No such file"):
        open_stored(f"{tmp_path}/nothing", tmp_path)


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no archive")
    with pytest.raises(UsageError, match="neither an OCI layout nor a plain tar file"):
        open_stored(str(tmp_path / "file"), tmp_path)
