"""Images as files, read back by skopeo and umoci."""

import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from support.clients import plain_client
from support.handmade import LocalImage, make_image, push
from support.registry import running_registry
from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.media_types import DOCKER_MANIFEST, OCI_FOREIGN_LAYER_GZIP, OCI_MANIFEST
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.outputs.docker_archive import write_docker_archive
from yadokari_builder.outputs.files import verified
from yadokari_builder.outputs.oci_layout import write_oci_layout
from yadokari_builder.registry.blob import BlobStream
from yadokari_builder.registry.pull import Puller
from yadokari_builder.registry.push import Pusher

NAMES = (Reference.parse("debian:mine"), Reference.parse("r.example:5000/team/app:v1"))
KINDS = pytest.mark.parametrize("manifest_type", [OCI_MANIFEST, DOCKER_MANIFEST], ids=["oci", "docker"])
WRITERS = pytest.mark.parametrize("write", [write_oci_layout, write_docker_archive])


def tool(*arguments: str) -> str:
    if shutil.which(arguments[0]) is None:
        pytest.skip(f"{arguments[0]} is not installed")
    done = subprocess.run(arguments, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def inspect(name: str) -> dict[str, object]:
    seen: dict[str, object] = json.loads(tool("skopeo", "--insecure-policy", "inspect", name))
    return seen


@pytest.fixture
def made(tmp_path: Path) -> LocalImage:
    return make_image(tmp_path / "made", {"a": b"1" * 1000}, {"b": b"2"})


@KINDS
def test_skopeo_reads_an_oci_layout(tmp_path: Path, manifest_type: str) -> None:
    made = make_image(tmp_path / "made", {"a": b"1"}, {"b": b"2"}, manifest_type=manifest_type)
    layout = tmp_path / "out" / "layout"

    write_oci_layout(str(layout), made.image, made.layers, NAMES)

    seen = inspect(f"oci:{layout}")
    assert seen["Digest"] == str(made.image.manifest_digest)
    assert seen["Layers"] == [str(layer.layer.descriptor.digest) for layer in made.layers]


def test_umoci_unpacks_an_oci_layout_by_its_tag(tmp_path: Path, made: LocalImage) -> None:
    write_oci_layout(str(tmp_path / "layout"), made.image, made.layers, NAMES)
    tool("umoci", "raw", "unpack", "--image", f"{tmp_path}/layout:mine", str(tmp_path / "root"))
    assert (tmp_path / "root/a").read_bytes() == b"1" * 1000
    assert (tmp_path / "root/b").read_bytes() == b"2"


def test_a_layout_names_the_image_by_its_first_destination(tmp_path: Path, made: LocalImage) -> None:
    write_oci_layout(str(tmp_path / "layout"), made.image, made.layers, NAMES)
    (entry,) = json.loads((tmp_path / "layout/index.json").read_text())["manifests"]
    assert entry["annotations"] == {
        "io.containerd.image.name": "docker.io/library/debian:mine",
        "org.opencontainers.image.ref.name": "mine",
    }
    assert entry["platform"] == {"architecture": "amd64", "os": "linux"}


def test_a_layout_without_destinations_has_no_names(tmp_path: Path, made: LocalImage) -> None:
    write_oci_layout(str(tmp_path / "layout"), made.image, made.layers, ())
    (entry,) = json.loads((tmp_path / "layout/index.json").read_text())["manifests"]
    assert "annotations" not in entry


def test_a_layout_is_written_over_an_older_one(tmp_path: Path, made: LocalImage) -> None:
    layout = tmp_path / "layout"
    older = make_image(tmp_path / "older", {"c": b"3"})
    for image in (older, made):
        write_oci_layout(str(layout), image.image, image.layers, ())
    assert inspect(f"oci:{layout}")["Digest"] == str(made.image.manifest_digest)


def test_an_image_without_layers_is_a_layout(tmp_path: Path) -> None:
    made = make_image(tmp_path / "made")
    write_oci_layout(str(tmp_path / "layout"), made.image, (), ())
    assert inspect(f"oci:{tmp_path}/layout")["Layers"] == []


@KINDS
def test_skopeo_reads_a_docker_archive_by_each_of_its_names(tmp_path: Path, manifest_type: str) -> None:
    made = make_image(tmp_path / "made", {"a": b"1"}, {"b": b"2"}, manifest_type=manifest_type)
    archive = tmp_path / "out" / "image.tar"

    write_docker_archive(str(archive), made.image, made.layers, NAMES)

    for name in ("docker.io/library/debian:mine", "r.example:5000/team/app:v1"):
        seen = inspect(f"docker-archive:{archive}:{name}")
        assert seen["Env"] == ["PATH=/bin"]
        # An archive is read as uncompressed layers, whose digests are the diff IDs.
        assert seen["Layers"] == [str(layer.layer.diff_id) for layer in made.layers]


def test_an_archive_names_what_docker_load_looks_for(tmp_path: Path, made: LocalImage) -> None:
    write_docker_archive(str(tmp_path / "image.tar"), made.image, made.layers, NAMES)
    with tarfile.open(tmp_path / "image.tar") as archive:
        (entry,) = json.load(archive.extractfile("manifest.json") or pytest.fail("no manifest.json"))
        names = archive.getnames()
    assert entry["RepoTags"] == ["debian:mine", "r.example:5000/team/app:v1"]
    assert entry["Config"] == f"{made.image.manifest.config.digest.hex}.json"
    assert [entry["Config"], *entry["Layers"], "manifest.json"] == names


def test_a_layer_that_occurs_twice_is_stored_once(tmp_path: Path) -> None:
    made = make_image(tmp_path / "made", {"a": b"1"}, {"a": b"1"})
    write_docker_archive(str(tmp_path / "image.tar"), made.image, made.layers, ())
    with tarfile.open(tmp_path / "image.tar") as archive:
        assert len(archive.getnames()) == 3
    assert len(inspect(f"docker-archive:{tmp_path}/image.tar")["Layers"] or ()) == 2  # type: ignore[arg-type]


def test_foreign_layers_are_in_an_archive_and_not_in_a_layout(tmp_path: Path) -> None:
    made = make_image(tmp_path / "made", {"a": b"1"}, {"b": b"2"})
    first = replace(made.layers[0].layer.descriptor, media_type=OCI_FOREIGN_LAYER_GZIP)
    layers = (replace(made.layers[0], layer=replace(made.layers[0].layer, descriptor=first)), made.layers[1])
    image = Image.assemble(made.image.config, [layer.layer for layer in layers], OCI_MANIFEST)
    write_docker_archive(str(tmp_path / "image.tar"), image, layers, ())
    assert len(inspect(f"docker-archive:{tmp_path}/image.tar")["Layers"] or ()) == 2  # type: ignore[arg-type]
    with tarfile.open(tmp_path / "image.tar") as archive:
        (entry,) = json.load(archive.extractfile("manifest.json") or pytest.fail("no manifest.json"))
        assert {*entry["Layers"]} < {*archive.getnames()}
    write_oci_layout(str(tmp_path / "layout"), image, layers, ())
    blobs = {path.name for path in (tmp_path / "layout/blobs/sha256").iterdir()}
    assert layers[1].layer.descriptor.digest.hex in blobs
    assert first.digest.hex not in blobs


@WRITERS
def test_a_failure_leaves_nothing_under_the_final_name(
    tmp_path: Path, made: LocalImage, write: Callable[..., None]
) -> None:
    missing = replace(made.layers[1], path=str(tmp_path / "missing"))
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(FileNotFoundError):
        write(str(out / "image"), made.image, [made.layers[0], missing], ())
    assert not (out / "image/index.json").exists()
    assert not list(out.rglob("*.partial"))
    assert write is write_oci_layout or not list(out.iterdir())


def test_base_layers_are_fetched_from_their_registry(tmp_path: Path, made: LocalImage) -> None:
    with plain_client() as client, running_registry(tmp_path / "registry") as registry:
        destination = Reference.parse(f"{registry.host}/base")
        with Pusher(client, [destination]) as pusher:
            for layer in made.layers:
                pusher.add_layer(layer)
            pusher.finish(made.image)
        base = Puller(client).resolve(destination, Platform("linux", "amd64"))
        image = Image.assemble(base.image.config, base.image.layers, OCI_MANIFEST)

        write_oci_layout(str(tmp_path / "layout"), image, base.layers, ())
        write_docker_archive(str(tmp_path / "image.tar"), image, base.layers, ())

        broken = next(registry.storage.glob(f"**/{made.layers[0].layer.descriptor.digest.hex}/data"))
        broken.write_bytes(b"X" + broken.read_bytes()[1:])
        with pytest.raises(ImageInvalidError):
            write_docker_archive(str(tmp_path / "broken.tar"), image, base.layers, ())
        with pytest.raises(ImageInvalidError):
            write_oci_layout(str(tmp_path / "broken"), image, base.layers, ())
    assert inspect(f"oci:{tmp_path}/layout")["Digest"] == str(made.image.manifest_digest)
    assert inspect(f"docker-archive:{tmp_path}/image.tar")["Env"] == ["PATH=/bin"]
    assert not (tmp_path / "broken.tar").exists()
    assert not (tmp_path / "broken/blobs/sha256" / made.layers[0].layer.descriptor.digest.hex).exists()
    assert not (tmp_path / "broken/index.json").exists()


def test_what_comes_from_a_registry_is_hashed_once(tmp_path: Path, made: LocalImage) -> None:
    with plain_client() as client, running_registry(tmp_path / "registry") as registry:
        where = f"{registry.host}/once"
        push(made, where)
        (layer, _) = Puller(client).resolve(Reference.parse(where), Platform("linux", "amd64")).layers
        with verified(layer) as blob:
            assert isinstance(blob, BlobStream)
            assert blob.read() == Path(made.layers[0].path).read_bytes()
    with verified(made.layers[0]) as blob:
        assert not isinstance(blob, BlobStream)
        assert blob.read()


@WRITERS
def test_a_layer_that_is_another_by_now_is_in_no_output(write: Callable[..., None], tmp_path: Path) -> None:
    made = make_image(tmp_path / "made", {"a": b"1"})
    file = Path(made.layers[0].path)
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ImageInvalidError, match="has another content"):
        write(str(tmp_path / "out"), made.image, made.layers, ())
    digest = made.layers[0].layer.descriptor.digest
    assert not (tmp_path / "out" / "blobs" / "sha256" / digest.hex).exists()
    assert not (tmp_path / "out").is_file()
