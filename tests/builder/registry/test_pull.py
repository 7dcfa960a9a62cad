"""Pull from real registries, with answers spoiled where that is the question."""

import json
import logging
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from support.gate import Gate, Spoiled, times
from support.handmade import LocalImage, make_image
from support.registry import Registry
from yadokari_builder.errors import ImageInvalidError, ImageNotFoundError, RegistryError
from yadokari_builder.oci import media_types
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.manifest import Index
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference, Repository
from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.mirrors import make_mirrors
from yadokari_builder.registry.pull import PulledImage, Puller
from yadokari_builder.registry.push import Pusher
from yadokari_builder.registry.upload import Uploads

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


def push(client: RegistryClient, made: LocalImage, destination: str) -> Descriptor:
    with Pusher(client, [Reference.parse(destination)]) as pusher:
        for layer in made.layers:
            pusher.add_layer(layer)
        digest = pusher.finish(made.image)
    manifest = made.image.manifest
    return Descriptor(
        manifest.media_type, digest, len(manifest.format()), platform=made.image.config.platform
    )


def put_index(client: RegistryClient, host: str, name: str, entries: Iterable[Descriptor]) -> Digest:
    data = Index(media_types.OCI_INDEX, tuple(entries)).format()
    uploads = Uploads(client, Repository(host, name), threading.Event())
    uploads.put_manifest("latest", data, media_types.OCI_INDEX)
    return Digest.of(data)


def pull(client: RegistryClient, reference: str, platform: Platform = AMD64, **more: object) -> PulledImage:
    return Puller(client).resolve(Reference.parse(reference), platform)


@pytest.fixture
def made(tmp_path: Path) -> LocalImage:
    return make_image(tmp_path / "image", {"a": b"1" * 100_000}, {"b": b"2"})


@pytest.fixture
def several(registry: Registry, client: RegistryClient, tmp_path: Path, name: str) -> str:
    """The name of an image for two platforms, with an attestation as BuildKit adds it."""
    entries = [
        push(
            client,
            make_image(tmp_path / p.architecture, {"a": b"1"}, platform=p),
            f"{registry.host}/{name}:{p.architecture}",
        )
        for p in (ARM64, AMD64)
    ]
    attestation = replace(
        entries[0],
        platform=Platform("unknown", "unknown"),
        annotations={"vnd.docker.reference.type": "attestation-manifest"},
    )
    put_index(client, registry.host, name, [attestation, *entries])
    return f"{registry.host}/{name}"


@pytest.mark.parametrize("platform", [AMD64, ARM64, Platform("linux", "arm64", "v8")])
def test_the_platforms_image_is_chosen_from_an_index(
    client: RegistryClient, several: str, platform: Platform
) -> None:
    pulled = pull(client, several, platform)
    assert pulled.image.config.platform.architecture == platform.architecture
    assert pulled.reference == Reference.parse(several)
    assert pulled.named == Puller(client).digest(pulled.reference) != pulled.image.manifest_digest
    assert pulled.sole
    assert pulled.sole.architecture == platform.architecture


def test_an_index_without_the_platform_tells_what_there_is(client: RegistryClient, several: str) -> None:
    with pytest.raises(
        ImageNotFoundError, match=r"no image for linux/s390x; there is linux/amd64, linux/arm64$"
    ):
        pull(client, several, Platform("linux", "s390x"))


def test_indexes_within_an_index_are_followed(
    registry: Registry, client: RegistryClient, several: str, name: str
) -> None:
    data = Index.parse(client_manifest(registry, several), media_types.OCI_INDEX)
    outer = put_index(
        client, registry.host, name, [Descriptor(media_types.OCI_INDEX, Digest.of(data.format()), 1)]
    )
    pulled = pull(client, f"{registry.host}/{name}@{outer}")
    assert pulled.image.config.platform == AMD64
    assert pulled.sole is None


def client_manifest(registry: Registry, reference: str) -> bytes:
    return registry.skopeo("inspect", "--raw", f"docker://{reference}").encode()


def test_a_tag_that_does_not_exist_is_not_found(
    registry: Registry, client: RegistryClient, name: str
) -> None:
    with pytest.raises(
        ImageNotFoundError,
        match=rf"{registry.host}/{name}: cannot pull manifest v9: 404 Not Found: .*_UNKNOWN.* \(is there",
    ):
        pull(client, f"{registry.host}/{name}:v9")


def test_an_image_is_pulled_by_digest(
    registry: Registry, client: RegistryClient, made: LocalImage, name: str
) -> None:
    digest = push(client, made, f"{registry.host}/{name}").digest
    assert pull(client, f"{registry.host}/{name}:whatever@{digest}").image == made.image


def test_a_tag_means_one_image_as_long_as_a_build_lasts(
    registry: Registry, client: RegistryClient, made: LocalImage, tmp_path: Path, name: str
) -> None:
    tag = f"{registry.host}/{name}"
    push(client, made, tag)
    puller = Puller(client)
    first = puller.resolve(Reference.parse(tag), AMD64)
    push(client, make_image(tmp_path / "other", {"c": b"3"}), tag)
    assert puller.resolve(Reference.parse(tag), AMD64) is first
    assert Puller(client).resolve(Reference.parse(tag), AMD64).image != first.image


def test_a_manifest_with_another_digest_than_asked_for_is_refused(
    gate: Gate, client: RegistryClient, made: LocalImage, name: str
) -> None:
    digest = push(client, made, f"{gate.host}/{name}").digest
    gate.spoil = times(1, "/manifests/", Spoiled(200, body=made.image.manifest.format() + b" "))
    with pytest.raises(ImageInvalidError, match=rf"manifest {digest} has another digest"):
        pull(client, f"{gate.host}/{name}@{digest}")


def test_a_config_with_another_digest_is_refused(
    gate: Gate, client: RegistryClient, made: LocalImage, name: str
) -> None:
    push(client, made, f"{gate.host}/{name}")
    gate.spoil = times(1, "/blobs/", Spoiled(200, body=b"{}"))
    with pytest.raises(ImageInvalidError, match=r"the config sha256:\w+ has another digest"):
        pull(client, f"{gate.host}/{name}")


@pytest.mark.parametrize("part", ["/manifests/", "/blobs/"])
def test_endless_documents_are_refused(
    gate: Gate, client: RegistryClient, made: LocalImage, name: str, part: str
) -> None:
    push(client, made, f"{gate.host}/{name}")
    gate.spoil = times(1, part, Spoiled(200, body=bytes(8 * 1024 * 1024 + 1)))
    with pytest.raises(RegistryError, match="the answer is longer than"):
        pull(client, f"{gate.host}/{name}")


def test_an_artifact_that_is_no_image_is_refused(
    gate: Gate, client: RegistryClient, made: LocalImage, name: str
) -> None:
    chart = replace(made.image.manifest.config, media_type="application/vnd.cncf.helm.config.v1+json")
    manifest = replace(made.image.manifest, config=chart)
    gate.spoil = times(1, "/manifests/", Spoiled(200, body=manifest.format()))
    with pytest.raises(ImageInvalidError, match="not an image but an artifact"):
        pull(client, f"{gate.host}/{name}")


def test_blobs_are_read_by_several_threads(
    registry: Registry, client: RegistryClient, made: LocalImage, name: str
) -> None:
    push(client, made, f"{registry.host}/{name}")
    layers = pull(client, f"{registry.host}/{name}").layers * 8

    def read(index: int) -> bytes:
        with layers[index].open() as blob:
            return blob.read()

    with ThreadPoolExecutor(8) as pool:
        blobs = list(pool.map(read, range(len(layers))))
    assert [Digest.of(blob) for blob in blobs] == [layer.layer.descriptor.digest for layer in layers]


def test_a_broken_download_goes_on_where_it_broke(
    gate: Gate, client: RegistryClient, made: LocalImage, name: str
) -> None:
    push(client, made, f"{gate.host}/{name}")
    layer = pull(client, f"{gate.host}/{name}").layers[0]
    gate.spoil = times(2, "/blobs/", Spoiled(cut=50))

    with layer.open() as blob:
        got = b"".join(iter(lambda: blob.read(20), b""))

    assert Digest.of(got) == layer.layer.descriptor.digest
    ranges = [request.headers["Range"] for request in gate.passed if "Range" in request.headers]
    assert len(ranges) == 2
    first, second = (int(range_.removeprefix("bytes=").partition("-")[0]) for range_ in ranges)
    assert second > first > 0


def test_a_registry_without_ranges_is_read_again_and_skipped(
    gate: Gate, client: RegistryClient, made: LocalImage, name: str
) -> None:
    push(client, made, f"{gate.host}/{name}")
    layer = pull(client, f"{gate.host}/{name}").layers[0]
    cut, whole = (
        times(1, "/blobs/", Spoiled(cut=50)),
        Spoiled(200, body=Path(made.layers[0].path).read_bytes()),
    )
    gate.spoil = lambda request: whole if "Range" in request.headers else cut(request)

    with layer.open() as blob:
        got = b"".join(iter(lambda: blob.read(20), b""))

    assert Digest.of(got) == layer.layer.descriptor.digest


def test_a_download_that_breaks_without_end_is_a_temporary_error(
    gate: Gate, client: RegistryClient, made: LocalImage, name: str
) -> None:
    push(client, made, f"{gate.host}/{name}")
    layer = pull(client, f"{gate.host}/{name}").layers[0]
    gate.spoil = times(1000, "/blobs/", Spoiled(cut=0))
    with layer.open() as blob, pytest.raises(RegistryError, match="the connection broke at byte 0") as caught:
        blob.read(10)
    assert caught.value.temporary


def test_a_blob_with_a_wrong_byte_is_refused_before_its_last_bytes_are_handed_out(
    gate: Gate, client: RegistryClient, made: LocalImage, name: str
) -> None:
    push(client, made, f"{gate.host}/{name}")
    layer = pull(client, f"{gate.host}/{name}").layers[0]
    content = Path(made.layers[0].path).read_bytes()
    gate.spoil = times(1, "/blobs/", Spoiled(200, body=b"X" + content[1:]))
    with layer.open() as blob:
        assert blob.read(len(content) - 1)
        with pytest.raises(ImageInvalidError, match=r"blob sha256:\w+ is wrong: its content has the digest"):
            blob.read(1)


def test_a_blob_of_another_size_is_refused(
    gate: Gate, client: RegistryClient, made: LocalImage, name: str
) -> None:
    push(client, made, f"{gate.host}/{name}")
    layer = pull(client, f"{gate.host}/{name}").layers[0]
    gate.spoil = times(1, "/blobs/", Spoiled(200, body=b"longer" * 100_000))
    with pytest.raises(ImageInvalidError, match="the registry's has 600000 bytes, not"):
        layer.open()


def test_mirrors_stand_in_for_docker_hub(
    registry: Registry, client: RegistryClient, made: LocalImage, name: str
) -> None:
    push(client, made, f"{registry.host}/{name}/library/debian:v1")
    puller = Puller(client, make_mirrors([f"{registry.host}/{name}"], []))

    pulled = puller.resolve(Reference.parse("debian:v1"), AMD64)

    assert pulled.image == made.image
    assert str(pulled.reference) == "docker.io/library/debian:v1"
    assert pulled.layers[0].repository == Repository(registry.host, f"{name}/library/debian")
    with pulled.layers[0].open() as blob:
        assert blob.read()


def test_a_mirror_without_the_image_is_left_out_with_a_warning(
    registry: Registry,
    other_registry: Registry,
    client: RegistryClient,
    made: LocalImage,
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    push(client, made, f"{other_registry.host}/library/{name}")
    puller = Puller(client, make_mirrors([registry.host, other_registry.host], []))
    with caplog.at_level(logging.WARNING):
        pulled = puller.resolve(Reference.parse(name), AMD64)
    assert pulled.repository.registry == other_registry.host
    assert f"mirror {registry.host} is left out for {name}:latest" in caplog.text


def test_mirrors_are_not_asked_for_other_registries(
    gate: Gate, registry: Registry, client: RegistryClient, made: LocalImage, name: str
) -> None:
    push(client, made, f"{registry.host}/{name}")
    Puller(client, make_mirrors([gate.host], [])).resolve(Reference.parse(f"{registry.host}/{name}"), AMD64)
    assert not gate.passed


def test_images_of_skopeo_with_dockers_manifest_are_read(
    registry: Registry, client: RegistryClient, made: LocalImage, name: str
) -> None:
    push(client, made, f"{registry.host}/{name}/oci")
    registry.skopeo(
        "copy",
        "--format=v2s2",
        f"docker://{registry.host}/{name}/oci",
        f"docker://{registry.host}/{name}/docker",
    )
    pulled = pull(client, f"{registry.host}/{name}/docker")
    assert pulled.image.manifest.media_type == media_types.DOCKER_MANIFEST
    assert pulled.image.config.diff_ids == made.image.config.diff_ids


def test_schema_1_is_refused_in_words(gate: Gate, client: RegistryClient, name: str) -> None:
    body = json.dumps({"schemaVersion": 1, "fsLayers": []}).encode()
    gate.spoil = times(
        1, "/manifests/", Spoiled(200, {"Content-Type": media_types.DOCKER_SCHEMA1_SIGNED}, body)
    )
    with pytest.raises(ImageInvalidError, match=rf"{name}: manifest latest: .*schema 1"):
        pull(client, f"{gate.host}/{name}")


def test_a_manifest_that_is_not_what_its_digest_says_is_asked_for_again(
    gate: Gate, registry: Registry, client: RegistryClient, made: LocalImage, name: str
) -> None:
    push(client, made, f"{registry.host}/{name}")
    digest = {"Docker-Content-Digest": str(made.image.manifest_digest)}
    gate.spoil = times(1, "/manifests/", Spoiled(200, digest, made.image.manifest.format() + b" "))
    assert pull(client, f"{gate.host}/{name}").image == made.image
    gate.spoil = times(9, "/manifests/", Spoiled(200, digest, made.image.manifest.format() + b" "))
    with pytest.raises(RegistryError, match="not what its digest says"):
        pull(client, f"{gate.host}/{name}")
