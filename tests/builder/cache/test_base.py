"""Base images in a folder: what warmers put there, and what builds take."""

import io
import json
import logging
import os
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from support.handmade import LocalImage, make_image
from yadokari_builder.cache.base import BaseFolder, CachedBases
from yadokari_builder.errors import RegistryError
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference, Repository
from yadokari_builder.registry.pull import PulledImage

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
TAGGED = Reference.parse("r.example/team/base:1")
NOW = 1_700_000_000


@dataclass(slots=True)
class Registry:
    """Stands for registries: holds one image for each platform, and counts what it is asked for."""

    images: dict[Platform, LocalImage]
    asked: list[str] = field(default_factory=list)
    cut: int | None = None

    def resolve(self, reference: Reference, platform: Platform) -> PulledImage:
        self.asked.append(str(reference))
        made = self.images[platform]
        layers = tuple(_Remote(self, layer.layer, reference.repository, layer.path) for layer in made.layers)
        return PulledImage(reference, reference.repository, made.image, layers)


@dataclass(frozen=True, slots=True)
class _Remote:
    registry: Registry
    layer: Layer
    repository: Repository
    path: str

    def open(self) -> BinaryIO:
        self.registry.asked.append(str(self.layer.descriptor.digest))
        data = Path(self.path).read_bytes()
        return io.BytesIO(data) if self.registry.cut is None else _Broken(data[: self.registry.cut])


class _Broken(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not data:
            raise RegistryError("the connection broke")
        return data


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(
        {
            platform: make_image(
                tmp_path / platform.architecture,
                {"a": platform.architecture.encode()},
                {"b": b"2"},
                platform=platform,
            )
            for platform in (AMD64, ARM64)
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> BaseFolder:
    return BaseFolder(str(tmp_path / "cache"))


@pytest.fixture
def warmed(folder: BaseFolder, registry: Registry) -> BaseFolder:
    """The folder with the image of a tag for amd64, found at `NOW`."""
    folder.keep(registry.resolve(TAGGED, AMD64), TAGGED, AMD64, NOW)
    registry.asked.clear()
    return folder


def bases(folder: BaseFolder, registry: Registry, *, trusted: bool = True, after: float = 0) -> CachedBases:
    return CachedBases(folder, registry.resolve, trusted, timedelta(hours=1), lambda: NOW + after)


def blob(folder: BaseFolder, digest: Digest) -> Path:
    return Path(folder.path, "blobs", digest.algorithm, digest.hex)


def contents(image: PulledImage) -> list[bytes]:
    read = []
    for layer in image.layers:
        with layer.open() as stream:
            read.append(stream.read())
    return read


def stored(registry: Registry, platform: Platform = AMD64) -> list[bytes]:
    return [Path(layer.path).read_bytes() for layer in registry.images[platform].layers]


def test_what_a_warmer_put_there_is_taken_without_asking_anybody(
    warmed: BaseFolder, registry: Registry
) -> None:
    found = bases(warmed, registry).find(TAGGED, AMD64)
    assert found.image == registry.images[AMD64].image
    assert (found.reference, found.repository) == (TAGGED, TAGGED.repository)
    assert contents(found) == stored(registry)
    assert registry.asked == []


def test_the_folder_is_an_oci_layout_whose_index_names_images(warmed: BaseFolder, registry: Registry) -> None:
    assert json.loads(Path(warmed.path, "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads(Path(warmed.path, "index.json").read_text())["manifests"]
    image = registry.images[AMD64].image
    assert entry["digest"] == str(image.manifest_digest)
    assert entry["platform"] == {"architecture": "amd64", "os": "linux"}
    assert entry["annotations"]["org.opencontainers.image.ref.name"] == "r.example/team/base:1+linux/amd64"
    parts = (entry, *(each.format() for each in (image.manifest.config, *image.manifest.layers)))
    for part in parts:
        data = blob(warmed, Digest.parse(str(part["digest"]))).read_bytes()
        assert (len(data), str(Digest.of(data))) == (part["size"], part["digest"])
    assert len(list(Path(warmed.path, "blobs/sha256").iterdir())) == len(parts)


def test_a_tag_lasts_as_long_as_it_is_told_and_layers_outlast_it(
    warmed: BaseFolder, registry: Registry
) -> None:
    bases(warmed, registry, after=3600).find(TAGGED, AMD64)
    assert registry.asked == []
    found = bases(warmed, registry, after=3601).find(TAGGED, AMD64)
    assert contents(found) == stored(registry)
    assert registry.asked == [str(TAGGED)]


def test_a_tag_means_one_image_in_one_build(warmed: BaseFolder, registry: Registry) -> None:
    build = bases(warmed, registry)
    first = build.find(TAGGED, AMD64)
    registry.images[AMD64] = registry.images[ARM64]
    warmed.keep(registry.resolve(TAGGED, AMD64), TAGGED, AMD64, NOW)
    assert build.find(TAGGED, AMD64) is first
    assert bases(warmed, registry).find(TAGGED, AMD64).image == registry.images[AMD64].image


def test_a_digest_lasts_for_ever_by_whatever_name(warmed: BaseFolder, registry: Registry) -> None:
    digest = registry.images[AMD64].image.manifest_digest
    for reference in (
        replace(TAGGED, digest=digest),
        Reference(Repository("other.example", "x"), None, digest),
    ):
        found = bases(warmed, registry, trusted=False, after=1e9).find(reference, AMD64)
        assert found.image.manifest_digest == digest
    assert registry.asked == []


def test_the_digest_of_an_index_means_a_platforms_image(folder: BaseFolder, registry: Registry) -> None:
    index = Reference(TAGGED.repository, None, Digest.of(b"an index"))
    for platform in (AMD64, ARM64):
        folder.keep(registry.resolve(index, platform), index, platform, NOW)
    registry.asked.clear()
    for platform in (AMD64, ARM64):
        found = bases(folder, registry, after=1e9).find(replace(index, tag="1"), platform)
        assert found.image == registry.images[platform].image
    assert registry.asked == []
    # Which image that is, no digest shows.
    bases(folder, registry, trusted=False).find(index, AMD64)
    assert registry.asked == [str(index)]


def test_what_steps_could_write_does_not_say_what_a_tag_means(warmed: BaseFolder, registry: Registry) -> None:
    found = bases(warmed, registry, trusted=False).find(TAGGED, AMD64)
    assert contents(found) == stored(registry)
    assert registry.asked == [str(TAGGED)]


def test_another_platform_is_another_image(warmed: BaseFolder, registry: Registry) -> None:
    found = bases(warmed, registry).find(TAGGED, ARM64)
    assert contents(found) == stored(registry, ARM64)
    assert registry.asked[0] == str(TAGGED)


@pytest.mark.parametrize("harm", ["other bytes", "cut", "longer", "gone", "a pipe", "a link"])
def test_a_damaged_blob_is_the_registrys_after_one_warning(
    warmed: BaseFolder, registry: Registry, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    for layer in registry.images[AMD64].layers:
        path = blob(warmed, layer.layer.descriptor.digest)
        data = path.read_bytes()
        path.unlink()
        match harm:
            case "other bytes":
                path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
            case "cut":
                path.write_bytes(data[:-1])
            case "longer":
                path.write_bytes(data + b"x")
            case "a pipe":
                os.mkfifo(path)
            case "a link":
                path.symlink_to("/dev/zero")
    found = bases(warmed, registry).find(TAGGED, AMD64)
    assert contents(found) == stored(registry)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == (0 if harm == "gone" else 1)
    same = f"{TAGGED.repository}@{found.image.manifest_digest}"
    assert registry.asked[0] == same


@pytest.mark.parametrize("name", ["index.json", "manifest", "config"])
@pytest.mark.parametrize("text", ["", "[]", '{"manifests": 1}', "\0"])
def test_damaged_documents_are_the_registrys_after_one_warning(
    warmed: BaseFolder, registry: Registry, name: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    image = registry.images[AMD64].image
    places = {"manifest": image.manifest_digest, "config": image.manifest.config.digest}
    path = blob(warmed, places[name]) if name in places else Path(warmed.path, name)
    path.write_text(text)
    build = bases(warmed, registry)
    for platform in (AMD64, ARM64):
        assert build.find(TAGGED, platform).image == registry.images[platform].image
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert warnings[0].startswith(f"base images in {warmed.path} are damaged: ")


def test_what_breaks_off_leaves_no_blob_and_no_name(folder: BaseFolder, registry: Registry) -> None:
    registry.cut = 10
    with pytest.raises(RegistryError, match="broke"):
        folder.keep(registry.resolve(TAGGED, AMD64), TAGGED, AMD64, NOW)
    assert list(Path(folder.path, "blobs/sha256").iterdir()) == []
    assert folder.find(TAGGED, AMD64) is None


def test_blobs_that_are_there_and_right_are_not_fetched_again_unless_asked_for(
    warmed: BaseFolder, registry: Registry
) -> None:
    first, second = (str(layer.layer.descriptor.digest) for layer in registry.images[AMD64].layers)
    image = registry.resolve(TAGGED, AMD64)
    registry.asked.clear()
    warmed.keep(image, TAGGED, AMD64, NOW)
    assert registry.asked == []
    blob(warmed, Digest.parse(first)).write_bytes(b"damaged")
    warmed.keep(image, TAGGED, AMD64, NOW)
    assert registry.asked == [first]
    warmed.keep(image, TAGGED, AMD64, NOW, again=True)
    assert registry.asked == [first, first, second]


def test_an_index_that_is_damaged_is_made_anew(warmed: BaseFolder, registry: Registry) -> None:
    Path(warmed.path, "index.json").write_text("damaged")
    warmed.keep(registry.resolve(TAGGED, ARM64), TAGGED, ARM64, NOW)
    assert warmed.find(TAGGED, ARM64)
    assert warmed.find(TAGGED, AMD64) is None
