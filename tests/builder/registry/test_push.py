"""Push to real registries."""

import json
import random
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from support.gate import Gate, Passed, Spoiled, running_gate, times
from support.handmade import FileLayer, LocalImage, make_image
from support.registry import DOCKER_ALONE, Registry
from support.watching import come_true
from yadokari_builder.errors import CancelledError, ImageInvalidError, PushError
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.media_types import DOCKER_MANIFEST, OCI_MANIFEST
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.pull import PulledImage, Puller
from yadokari_builder.registry.push import Pusher
from yadokari_builder.registry.source import LocalLayer

AMD64 = Platform("linux", "amd64")


def push(client: RegistryClient, made: LocalImage, *destinations: str) -> Digest:
    with Pusher(client, map(Reference.parse, destinations)) as pusher:
        for layer in made.layers:
            pusher.add_layer(layer)
        return pusher.finish(made.image)


def pull(client: RegistryClient, reference: str) -> PulledImage:
    return Puller(client).resolve(Reference.parse(reference), AMD64)


@pytest.mark.parametrize("manifest_type", [OCI_MANIFEST, DOCKER_MANIFEST], ids=["oci", "docker"])
def test_skopeo_reads_what_was_pushed(
    registry: Registry, client: RegistryClient, tmp_path: Path, name: str, manifest_type: str
) -> None:
    made = make_image(tmp_path, {"a": b"1"}, {"b": b"2"}, manifest_type=manifest_type)

    digest = push(client, made, f"{registry.host}/{name}:v1")

    seen = json.loads(registry.skopeo("inspect", f"docker://{registry.host}/{name}:v1"))
    assert seen["Digest"] == str(digest) == str(made.image.manifest_digest)
    assert seen["Layers"] == [str(layer.layer.descriptor.digest) for layer in made.layers]
    assert seen["Env"] == ["PATH=/bin"]


def test_an_image_is_pulled_as_it_was_pushed(
    registry: Registry, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    made = make_image(tmp_path, {"a": b"1"}, {"b": b"2"})
    push(client, made, f"{registry.host}/{name}:v1")

    pulled = pull(client, f"{registry.host}/{name}:v1")

    assert pulled.image == made.image
    for mine, theirs in zip(made.layers, pulled.layers, strict=True):
        with mine.open() as expected, theirs.open() as got:
            assert got.read() == expected.read()


def test_an_image_without_layers_is_pushed(
    registry: Registry, client: RegistryClient, name: str, tmp_path: Path
) -> None:
    made = make_image(tmp_path)
    push(client, made, f"{registry.host}/{name}")
    assert pull(client, f"{registry.host}/{name}").image == made.image


@DOCKER_ALONE
def test_all_tags_of_a_repository_get_the_image_and_its_blobs_are_sent_once(
    gate: Gate, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    made = make_image(tmp_path, {"a": b"1"})

    digest = push(client, made, f"{gate.host}/{name}:v1", f"{gate.host}/{name}:latest")

    assert gate.count("PUT", "/blobs/uploads/") == 2
    for tag in ("v1", "latest"):
        assert pull(client, f"{gate.host}/{name}:{tag}").image.manifest_digest == digest


def test_a_manifest_is_sent_after_all_that_it_names(
    gate: Gate, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    push(client, make_image(tmp_path, {"a": b"1"}, {"b": b"2"}), f"{gate.host}/{name}:v1")
    assert "/manifests/" in gate.passed[-1].path
    assert gate.count("PUT", "/manifests/") == 1


def test_the_config_is_sent_while_a_layer_is_under_way(
    gate: Gate, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    made = make_image(tmp_path, {"a": b"1"})
    config = made.image.manifest.config.digest.hex

    class Slow(FileLayer):
        def open(self) -> BinaryIO:
            assert come_true(lambda: any(config in sent.path for sent in gate.passed if sent.method == "PUT"))
            return FileLayer(self.layer, self.path).open()

    with Pusher(client, [Reference.parse(f"{gate.host}/{name}")]) as pusher:
        pusher.add_layer(Slow(made.layers[0].layer, made.layers[0].path))
        pusher.finish(made.image)
    assert pull(client, f"{gate.host}/{name}").image == made.image


def test_layers_that_the_repository_has_are_not_sent_again(
    gate: Gate, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    made = make_image(tmp_path, {"a": b"1"})
    push(client, made, f"{gate.host}/{name}:v1")
    gate.passed.clear()

    push(client, made, f"{gate.host}/{name}:v2")

    assert gate.count("POST") == gate.count("PATCH") == 0


@DOCKER_ALONE
def test_base_layers_of_the_same_registry_are_mounted(
    gate: Gate, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    push(client, make_image(tmp_path, {"a": b"1"}), f"{gate.host}/{name}/base")
    base = pull(client, f"{gate.host}/{name}/base")
    gate.passed.clear()

    with Pusher(client, [Reference.parse(f"{gate.host}/{name}/app")]) as pusher:
        pusher.add_layer(base.layers[0])
        pusher.finish(Image.assemble(base.image.config, base.image.layers, OCI_MANIFEST))

    assert gate.count("POST", "mount=") == 1
    assert gate.count("GET", str(base.layers[0].layer.descriptor.digest)) == 0
    assert gate.count("PUT", "/blobs/") == 1, "the config alone is sent"
    assert pull(client, f"{gate.host}/{name}/app").layers[0].open().read()


@DOCKER_ALONE
def test_a_layer_is_sent_once_to_a_registry_and_mounted_into_its_other_repositories(
    gate: Gate, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    made = make_image(tmp_path, {"a": b"1"})
    push(client, made, f"{gate.host}/{name}/one", f"{gate.host}/{name}/two")
    layer = made.layers[0].layer.descriptor.digest
    assert gate.count("PUT", str(layer).replace(":", "%3A")) == 1
    assert gate.count("POST", "mount=") == 1
    assert pull(client, f"{gate.host}/{name}/two").image == made.image


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 429, 500])
def test_a_registry_that_does_not_mount_gets_the_layer_sent(
    gate: Gate, client: RegistryClient, tmp_path: Path, name: str, status: int
) -> None:
    gate.spoil = lambda request: Spoiled(status) if "mount=" in request.path else None
    made = make_image(tmp_path, {"a": b"1"})
    push(client, made, f"{gate.host}/{name}/one", f"{gate.host}/{name}/two")
    assert pull(client, f"{gate.host}/{name}/two").image == made.image


@pytest.mark.parametrize("status", [403, 405, 501])
def test_a_registry_that_does_not_say_what_it_has_gets_everything_sent(
    gate: Gate, client: RegistryClient, tmp_path: Path, name: str, status: int
) -> None:
    gate.spoil = lambda request: Spoiled(status) if request.method == "HEAD" else None
    made = make_image(tmp_path, {"a": b"1"})
    push(client, made, f"{gate.host}/{name}")
    gate.spoil = lambda _: None
    assert pull(client, f"{gate.host}/{name}").image == made.image


@DOCKER_ALONE
def test_base_layers_go_to_their_own_registry_and_to_others(
    registry: Registry, other_registry: Registry, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    made = make_image(tmp_path, {"a": b"1"})
    with running_gate(registry.host) as source, running_gate(other_registry.host) as second:
        push(client, made, f"{source.host}/{name}/base")
        base = pull(client, f"{source.host}/{name}/base")
        source.passed.clear()

        targets = [f"{host}/{name}/app" for host in (source.host, other_registry.host, second.host)]
        with Pusher(client, map(Reference.parse, targets)) as pusher:
            pusher.add_layer(base.layers[0])
            pusher.finish(Image.assemble(base.image.config, base.image.layers, OCI_MANIFEST))

        assert source.count("POST", "mount=") == 1
        for target in targets:
            with pull(client, target).layers[0].open() as got, made.layers[0].open() as expected:
                assert got.read() == expected.read()


def test_files_go_to_several_registries(
    registry: Registry, other_registry: Registry, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    made = make_image(tmp_path, {"a": b"1"}, {"b": b"2"})
    targets = [f"{registry.host}/{name}", f"{other_registry.host}/{name}"]
    push(client, made, *targets)
    assert [pull(client, target).image for target in targets] == [made.image, made.image]


def test_a_layer_that_is_added_twice_is_pushed_once(
    gate: Gate, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    made = make_image(tmp_path, {"a": b"1"})
    with Pusher(client, [Reference.parse(f"{gate.host}/{name}")]) as pusher:
        assert pusher.add_layer(made.layers[0]) is pusher.add_layer(made.layers[0])
        pusher.finish(made.image)
    assert gate.count("HEAD", str(made.layers[0].layer.descriptor.digest)) == 1


def test_a_layer_that_one_source_has_not_is_pushed_from_another(
    registry: Registry, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    made = make_image(tmp_path, {"a": name.encode()})  # no other repository has it
    layer = made.layers[0].layer

    def missing() -> BinaryIO:
        raise ImageInvalidError("it is not there")

    with Pusher(client, [Reference.parse(f"{registry.host}/{name}")]) as pusher:
        assert isinstance(pusher.add_layer(LocalLayer(layer, missing)).exception(), ImageInvalidError)
        pusher.add_layer(made.layers[0])
        pusher.finish(made.image)
    assert pull(client, f"{registry.host}/{name}").image == made.image


def test_a_layer_that_is_in_no_image_does_not_hinder_it(
    registry: Registry, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    (tmp_path / "other").mkdir()
    made = make_image(tmp_path, {"a": b"1"})
    other = make_image(tmp_path / "other", {"b": name.encode()})

    def missing() -> BinaryIO:
        raise ImageInvalidError("it is not there")

    with Pusher(client, [Reference.parse(f"{registry.host}/{name}")]) as pusher:
        pusher.add_layer(LocalLayer(other.layers[0].layer, missing))
        pusher.add_layer(made.layers[0])
        assert pusher.finish(made.image) == made.image.manifest_digest


def test_an_upload_that_fails_for_a_while_is_begun_again(
    gate: Gate, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    gate.spoil = times(2, "/blobs/uploads/", Spoiled(503), "PUT")
    made = make_image(tmp_path, {"a": b"1"})
    push(client, made, f"{gate.host}/{name}")
    assert pull(client, f"{gate.host}/{name}").image == made.image


@DOCKER_ALONE
def test_an_upload_that_never_succeeds_is_a_temporary_push_error_with_the_registrys_words(
    gate: Gate, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    body = json.dumps({"errors": [{"code": "UNKNOWN", "message": "disk\x1b[31m full"}]}).encode()
    gate.spoil = times(1000, "/blobs/uploads/", Spoiled(500, body=body), "PUT")
    made = make_image(tmp_path, {"a": b"1"})

    with pytest.raises(PushError, match=r"500 Internal Server Error: UNKNOWN: disk \[31m full") as caught:
        push(client, made, f"{gate.host}/{name}")

    assert caught.value.temporary
    assert caught.value.status == 500
    assert f"{gate.host}/{name}: cannot push blob sha256:" in str(caught.value)


@DOCKER_ALONE
def test_a_manifest_whose_blobs_are_not_there_is_tried_again_and_fails(
    gate: Gate, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    made = make_image(tmp_path, {"a": b"1"})
    with (
        Pusher(client, [Reference.parse(f"{gate.host}/{name}")]) as pusher,
        pytest.raises(PushError, match="MANIFEST_BLOB_UNKNOWN") as caught,
    ):
        pusher.finish(made.image)
    assert caught.value.temporary, "whoever builds again pushes them, too"
    assert gate.count("PUT", "/manifests/") == client.retry.attempts


def test_a_registry_may_take_a_moment_to_know_a_blob(
    gate: Gate, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    made = make_image(tmp_path, {"a": b"1"})
    body = b'{"errors":[{"code":"DIGEST_INVALID"},{"code":"MANIFEST_BLOB_UNKNOWN"}]}'
    gate.spoil = times(1, "/manifests/", Spoiled(400, body=body), "PUT")
    push(client, made, f"{gate.host}/{name}")
    assert pull(client, f"{gate.host}/{name}").image == made.image


def test_a_refused_manifest_is_a_lasting_push_error(
    gate: Gate, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    gate.spoil = times(
        1, "/manifests/", Spoiled(400, body=b'{"errors":[{"code":"MANIFEST_INVALID"}]}'), "PUT"
    )
    with pytest.raises(PushError, match="MANIFEST_INVALID") as caught:
        push(client, make_image(tmp_path), f"{gate.host}/{name}")
    assert not caught.value.temporary


def test_a_registry_that_stores_another_manifest_is_caught(
    gate: Gate, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    gate.spoil = times(1, "/manifests/", Spoiled(201, {"Docker-Content-Digest": "sha256:" + "0" * 64}), "PUT")
    with pytest.raises(PushError, match="the registry stored manifest latest as sha256:000"):
        push(client, make_image(tmp_path), f"{gate.host}/{name}")


def test_large_bodies_that_are_refused_are_sent_in_chunks(
    gate: Gate, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    made = make_image(tmp_path, {"a": bytes(1000)})
    size = made.layers[0].layer.descriptor.size

    def refuse(request: Passed) -> Spoiled | None:
        whole = request.method == "PUT" and request.headers.get("Content-Length") == str(size)
        return Spoiled(413) if whole else None

    gate.spoil = refuse
    push(client, made, f"{gate.host}/{name}")

    assert gate.count("PATCH") == 1
    assert_same_layer(client, f"{gate.host}/{name}", made)


@pytest.mark.long
@DOCKER_ALONE
def test_a_broken_upload_in_chunks_goes_on_where_the_registry_has_got_to(
    gate: Gate, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    made = push_in_chunks(gate, client, tmp_path, name, Spoiled(503))
    assert [
        request.headers["Content-Range"].partition("-")[0]
        for request in gate.passed
        if request.method == "PATCH"
    ] == ["0", "16777216", "16777216", "33554432"]
    assert_same_layer(client, f"{gate.host}/{name}", made)


@pytest.mark.long
def test_an_upload_in_chunks_is_right_where_the_registry_has_got_further_than_it_said(
    gate: Gate, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    made = push_in_chunks(gate, client, tmp_path, name, Spoiled(503, reached=True))
    assert_same_layer(client, f"{gate.host}/{name}", made)


def push_in_chunks(
    gate: Gate, client: RegistryClient, folder: Path, name: str, broken: Spoiled
) -> LocalImage:
    """Push an image whose layer goes in three chunks; the second one is spoiled once."""
    made = make_image(folder, {name: random.Random(0).randbytes(40 << 20)})
    left = [broken]

    def spoil(request: Passed) -> Spoiled | None:
        if request.method == "PUT" and int(request.headers.get("Content-Length", "0")) > 1 << 20:
            return Spoiled(413)
        is_second = request.headers.get("Content-Range", "").startswith("16777216-")
        return left.pop() if left and is_second else None

    gate.spoil = spoil
    push(client, made, f"{gate.host}/{name}")
    assert not left
    return made


def assert_same_layer(client: RegistryClient, reference: str, made: LocalImage) -> None:
    with pull(client, reference).layers[0].open() as got, made.layers[0].open() as expected:
        assert got.read() == expected.read()


def test_an_upload_in_chunks_that_the_registry_has_forgotten_is_begun_again(
    gate: Gate, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    made = make_image(tmp_path, {name: bytes(1000)})
    asked: list[Passed] = []

    def spoil(request: Passed) -> Spoiled | None:
        if request.method == "PUT" and request.headers.get("Content-Length", "0") not in ("0", ""):
            return Spoiled(413) if "/blobs/" in request.path and not asked else None
        if request.method == "GET" and "/uploads/" in request.path:
            asked.append(request)
            return Spoiled(404)
        return Spoiled(503) if request.method == "PATCH" and not asked else None

    gate.spoil = spoil
    push(client, made, f"{gate.host}/{name}")
    assert asked
    assert pull(client, f"{gate.host}/{name}").image == made.image


def test_check_finds_that_a_registry_takes_uploads_and_leaves_none_behind(
    gate: Gate, client: RegistryClient, name: str
) -> None:
    with Pusher(client, [Reference.parse(f"{gate.host}/{name}")]) as pusher:
        pusher.check()
    assert [request.method for request in gate.passed] == ["POST", "DELETE"]


def test_check_names_a_repository_that_does_not_exist(gate: Gate, client: RegistryClient, name: str) -> None:
    body = b'{"errors":[{"code":"NAME_UNKNOWN","message":"no such repository"}]}'
    gate.spoil = times(1, "/blobs/uploads/", Spoiled(404, body=body), "POST")
    with (
        Pusher(client, [Reference.parse(f"{gate.host}/{name}")]) as pusher,
        pytest.raises(PushError, match=f"{name}: cannot push .*NAME_UNKNOWN: no such repository") as caught,
    ):
        pusher.check()
    assert caught.value.codes == ("NAME_UNKNOWN",)
    assert str(caught.value).endswith("is there such a repository?")


def test_an_upload_that_the_registry_has_forgotten_is_begun_again(
    gate: Gate, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    made = make_image(tmp_path, {"a": b"1"})
    body = b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"upload unknown to registry"}]}'
    gate.spoil = times(1, "/blobs/uploads/", Spoiled(404, body=body), "PUT")
    push(client, made, f"{gate.host}/{name}")
    assert pull(client, f"{gate.host}/{name}").image == made.image


def test_a_manifest_whose_blobs_are_gone_has_its_code_and_no_hint_at_the_repository(
    gate: Gate, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    body = b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"gone"}]}'
    gate.spoil = times(client.retry.attempts, "/manifests/", Spoiled(404, body=body), "PUT")
    with pytest.raises(PushError, match=r"MANIFEST_BLOB_UNKNOWN: gone$") as caught:
        push(client, make_image(tmp_path, {"a": b"1"}), f"{gate.host}/{name}")
    assert caught.value.codes == ("MANIFEST_BLOB_UNKNOWN",)


@DOCKER_ALONE
def test_leaving_the_context_gives_up_what_is_under_way(
    registry: Registry, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    made = make_image(tmp_path, {"a": b"1"})
    begun = threading.Event()

    class Slow(FileLayer):
        def open(self) -> BinaryIO:
            begun.set()
            time.sleep(0.05)
            return FileLayer(self.layer, self.path).open()

    slow = Slow(made.layers[0].layer, made.layers[0].path)
    with Pusher(client, [Reference.parse(f"{registry.host}/{name}")]) as pusher:
        future = pusher.add_layer(slow)
        assert begun.wait(60)
    with pytest.raises(CancelledError):
        future.result(timeout=60)


@DOCKER_ALONE
def test_a_layer_whose_source_is_not_what_it_says_is_not_pushed(
    registry: Registry, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    made = make_image(tmp_path, {"a": b"1"}, {"b": b"2"})
    wrong = replace(made.layers[0], path=made.layers[1].path)
    with (
        Pusher(client, [Reference.parse(f"{registry.host}/{name}")]) as pusher,
        pytest.raises(PushError, match="cannot push blob"),
    ):
        pusher.add_layer(wrong).result(30)


IMMUTABLE = {
    "ecr": (
        400,
        "TAG_INVALID",
        "The image tag 'v1' already exists and cannot be overwritten because the tag is immutable.",
    ),
    "harbor": (412, "PRECONDITION", "Failed to process request due to 'app:v1' configured as immutable."),
    "google": (400, "MANIFEST_INVALID", "cannot update tag v1. The repository has enabled tag immutability"),
}


@pytest.mark.parametrize("whose", IMMUTABLE)
def test_a_tag_that_may_not_be_overwritten_is_left_where_that_is_asked_for(
    client: RegistryClient, registry: Registry, tmp_path: Path, name: str, whose: str
) -> None:
    status, code, message = IMMUTABLE[whose]
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    made = make_image(tmp_path, {"a": b"1"})
    with running_gate(registry.host) as gate:
        gate.spoil = times(2, "/manifests/v1", Spoiled(status, body=body), "PUT")
        destination = Reference.parse(f"{gate.host}/{name}:v1")
        with pytest.raises(PushError, match="immutab"):
            push(client, made, str(destination))
        with Pusher(client, [destination], keeps_immutable=True) as pusher:
            pusher.add_layer(made.layers[0])
            digest = pusher.finish(made.image)
    assert pull(client, f"{registry.host}/{name}@{digest}").image == made.image


def test_other_refusals_of_a_manifest_are_errors_all_the_same(
    client: RegistryClient, gate: Gate, tmp_path: Path, name: str
) -> None:
    made = make_image(tmp_path, {"a": b"1"})
    gate.spoil = times(1, "/manifests/", Spoiled(400, body=b"no such thing"), "PUT")
    with Pusher(client, [Reference.parse(f"{gate.host}/{name}")], keeps_immutable=True) as pusher:
        pusher.add_layer(made.layers[0])
        with pytest.raises(PushError, match="no such thing"):
            pusher.finish(made.image)
