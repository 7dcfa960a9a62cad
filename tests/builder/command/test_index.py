"""`index`: one name for images of several platforms."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from support.executor import Ended
from support.gate import running_gate
from support.handmade import LocalImage, make_image, push
from support.registry import PASSWORD, USER, Registry, docker_config
from support.verbs import run_verb
from yadokari_builder.oci.media_types import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
)
from yadokari_builder.oci.platform import Platform
from yadokari_contract.results.answers import parse_index_result

PLATFORMS = {
    "amd64": Platform("linux", "amd64"),
    "arm64": Platform("linux", "arm64", "v8"),
    "windows": Platform("windows", "amd64", "", "10.0.17763"),
}
OTHER_WORDS = {"x86_64": Platform("linux", "x86_64")}


def made(folder: Path, name: str, manifest_type: str = OCI_MANIFEST) -> LocalImage:
    platform = {**PLATFORMS, **OTHER_WORDS}[name]
    return make_image(
        folder / name, {"shared": b"1"}, {name: b"2"}, platform=platform, manifest_type=manifest_type
    )


def pushed(folder: Path, where: str, *names: str, manifest_type: str = OCI_MANIFEST) -> list[str]:
    """Push images to a repository; returns their names with digests."""
    references = []
    for name in names:
        image = made(folder, name, manifest_type)
        push(image, f"{where}:{name}")
        references.append(f"{where}@{image.image.manifest_digest}")
    return references


def index(*arguments: str, **environment: str) -> Ended:
    return run_verb("index", *arguments, "--insecure", "--insecure-pull", **environment)


def held(registry: Registry, image: str, *options: str) -> Mapping[str, Any]:
    """What a registry holds under a name, as skopeo reads it."""
    read: Mapping[str, Any] = json.loads(registry.skopeo("inspect", "--raw", *options, f"docker://{image}"))
    return read


def test_an_index_names_images_by_the_platforms_of_their_configs(
    registry: Registry, name: str, tmp_path: Path
) -> None:
    where = f"{registry.host}/{name}"
    images = pushed(tmp_path, where, *PLATFORMS)
    done = index("-d", f"{where}:1", "-d", f"{where}:latest", *images)
    assert done.code == 0, done.log
    found = held(registry, f"{where}:1")
    assert found["mediaType"] == OCI_INDEX
    assert [entry["platform"] for entry in found["manifests"]] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux", "variant": "v8"},
        {"architecture": "amd64", "os": "windows", "os.version": "10.0.17763"},
    ]
    assert [f"{where}@{entry['digest']}" for entry in found["manifests"]] == images
    digest = done.out.strip()
    assert held(registry, f"{where}@{digest}") == held(registry, f"{where}:latest") == found
    for architecture in ("amd64", "arm64"):
        options = ("--override-os", "linux", "--override-arch", architecture)
        there = json.loads(registry.skopeo("inspect", *options, f"docker://{where}:1"))
        assert there["Architecture"] == architecture


@pytest.mark.long
def test_images_of_dockers_kind_make_dockers_list_but_for_annotations(
    registry: Registry, name: str, tmp_path: Path
) -> None:
    where = f"{registry.host}/{name}"
    images = pushed(tmp_path, where, "amd64", "arm64", manifest_type=DOCKER_MANIFEST)
    assert index("-d", f"{where}:1", *images).code == 0
    assert held(registry, f"{where}:1")["mediaType"] == DOCKER_INDEX
    assert index("-d", f"{where}:2", "--annotation=who=me", *images).code == 0
    annotated = held(registry, f"{where}:2")
    assert (annotated["mediaType"], annotated["annotations"]) == (OCI_INDEX, {"who": "me"})


@pytest.mark.long
def test_images_of_another_repository_are_mounted_and_of_another_registry_copied(
    registry: Registry, other_registry: Registry, name: str, tmp_path: Path
) -> None:
    with running_gate(registry.host) as gate, running_gate(other_registry.host) as other:
        images = pushed(tmp_path, f"{gate.host}/{name}-from", "amd64", "arm64")
        gate.passed.clear()
        done = index("-d", f"{gate.host}/{name}:1", "-d", f"{other.host}/{name}:1", *images)
    assert done.code == 0, done.log
    assert gate.count("POST", "mount=sha256") == 3
    assert other.count("GET", "/blobs/") == 0
    digests = set()
    for there in (registry, other_registry):
        where = f"{there.host}/{name}"
        digests.add(json.dumps(held(there, f"{where}:1")))
        for architecture in ("amd64", "arm64"):
            options = ("--override-arch", architecture)
            there.skopeo("copy", "-q", *options, f"docker://{where}:1", f"dir:{tmp_path / 'copy'}")
    assert len(digests) == 1


def test_what_came_out_is_told_in_a_result_and_in_files(
    registry: Registry, name: str, tmp_path: Path
) -> None:
    where = f"{registry.host}/{name}"
    images = pushed(tmp_path, where, "amd64", "arm64")
    files = {flag: str(tmp_path / flag) for flag in ("result-file", "digest-file")}
    done = index("-d", f"{where}:1", *images, *(f"--{flag}={path}" for flag, path in files.items()))
    digest = done.out.strip()
    assert Path(files["digest-file"]).read_text() == digest
    result = parse_index_result(Path(files["result-file"]).read_text())
    assert (result.digest, result.images, result.failure) == (digest, (f"{where}:1",), None)
    assert [(image.platform, f"{where}@{image.digest}") for image in result.manifests] == [
        ("linux/amd64", images[0]),
        ("linux/arm64/v8", images[1]),
    ]
    assert result.size == sum(image.size for image in result.manifests) > 0


def test_credentials_and_certificates_are_those_of_a_build(
    secure_registry: Registry, name: str, tmp_path: Path
) -> None:
    image = f"{secure_registry.host}/{name}:1"
    arguments = ("-d", f"{image}-index", "--skip-tls-verify-registry", secure_registry.host)
    variables = {"DOCKER_AUTH_CONFIG": docker_config(secure_registry.host, USER, PASSWORD)}
    assert index(*arguments, image).code == 13
    missing = index(*arguments, image, **variables)
    assert missing.code == 12
    assert f"{secure_registry.host}/{name}" in missing.log
    assert PASSWORD not in missing.log


def test_who_may_push_an_image_can_read_it_for_its_index(
    registry: Registry, secure_registry: Registry, name: str, tmp_path: Path
) -> None:
    where = f"{secure_registry.host}/{name}"
    (image,) = pushed(tmp_path, f"{registry.host}/{name}", "amd64")
    creds = f"--dest-creds={USER}:{PASSWORD}"
    secure_registry.skopeo("copy", "-q", creds, f"docker://{image}", f"docker://{where}:amd64")
    variables = {"DOCKER_AUTH_CONFIG_PUSH": docker_config(secure_registry.host, USER, PASSWORD)}
    trust = ("--skip-tls-verify-registry", secure_registry.host)
    done = index("-d", f"{where}:1", *trust, f"{where}@{image.partition('@')[2]}", **variables)
    assert done.code == 0, done.log


def test_two_images_for_one_platform_are_refused(registry: Registry, name: str, tmp_path: Path) -> None:
    where = f"{registry.host}/{name}"
    first, second = pushed(tmp_path, where, "amd64", "x86_64")
    result = tmp_path / "result"
    done = index("-d", f"{where}:1", first, second, f"--result-file={result}")
    assert done.code == 2
    assert f"{first} and {second} are both for linux/amd64" in done.log
    failure = parse_index_result(result.read_text()).failure
    assert failure
    assert failure.reason == "InvalidArguments"
    assert failure.message in done.log


@pytest.mark.long
def test_an_index_in_an_index_is_refused_with_what_is_in_it(
    registry: Registry, name: str, tmp_path: Path
) -> None:
    where = f"{registry.host}/{name}"
    images = pushed(tmp_path, where, "amd64", "arm64")
    assert index("-d", f"{where}:1", *images).code == 0
    done = index("-d", f"{where}:2", f"{where}:1")
    assert done.code == 2
    assert f"{where}:1 is an index, and not an image" in done.log
    assert f"{images[0].partition('@')[2]} (linux/amd64)" in done.log


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-d", "r.example/a"], "index takes one word at least: index IMAGE@DIGEST..."),
        (["r.example/a"], "no --destination"),
        (["-d", "r.example/a", "UPPER"], "must be lower case"),
        (["-d", "r.example/a", "b", "--no-push"], "--no-push is not a flag"),
        (["-d", "r.example/a", "b", "--tar-path=x"], "--tar-path is not a flag"),
    ],
)
def test_an_index_that_lacks_something_is_refused(arguments: list[str], message: str) -> None:
    done = run_verb("index", *arguments)
    assert done.code == 2
    assert re.search(message, done.log)
