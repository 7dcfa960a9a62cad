"""Contexts in registries."""

import gzip
import os
from pathlib import Path

import pytest

from support import archives
from support.artifacts import FLUX_CONFIG, FLUX_CONTENT, OCI_CONFIG, Part, file, folder, push_artifact
from support.contexts import files, opened
from support.registry import Registry
from yadokari_builder.errors import ContextError, ImageNotFoundError, UsageError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="archives are unpacked by root")


def packed(*members: archives.Member) -> bytes:
    return gzip.compress(archives.archive(*members).getvalue())


def test_flux_s_artifact_is_its_archive(registry: Registry, name: str, tmp_path: Path) -> None:
    archive = packed(archives.directory("sub"), archives.file("sub/file", b"F"), archives.file(".wh.x", b"W"))
    digest = push_artifact(registry.host, name, Part(archive, FLUX_CONTENT), config_type=FLUX_CONFIG)
    for reference in (f"{name}:1", f"{name}@{digest}"):
        context = opened(f"oci://{registry.host}/{reference}", tmp_path)
        assert files(context) == {"sub/file": "F", ".wh.x": "W"}
        assert context.resolved == digest


def test_folders_and_files_of_oras_are_where_they_were(registry: Registry, name: str, tmp_path: Path) -> None:
    archive = packed(archives.directory("src"), archives.file("src/main", b"M"))
    parts = [folder("src", archive), file("Dockerfile", b"FROM scratch"), file("deep/er/file.tar", b"T")]
    push_artifact(registry.host, name, *parts)
    context = opened(f"oci://{registry.host}/{name}:1", tmp_path)
    expected = {"src/main": "M", "Dockerfile": "FROM scratch", "deep/er/file.tar": "T"}
    assert files(context) == expected


def test_a_single_archive_is_unpacked(registry: Registry, name: str, tmp_path: Path) -> None:
    push_artifact(registry.host, name, file("context.tar.gz", packed(archives.file("file", b"F"))))
    assert files(opened(f"oci://{registry.host}/{name}:1", tmp_path)) == {"file": "F"}


def test_an_image_is_its_layers_with_their_whiteouts(registry: Registry, name: str, tmp_path: Path) -> None:
    below = Part(packed(archives.file("a", b"A"), archives.file("b", b"B")))
    above = Part(packed(archives.file(".wh.a"), archives.file("c", b"C")))
    push_artifact(registry.host, name, below, above, config_type=OCI_CONFIG)
    assert files(opened(f"oci://{registry.host}/{name}:1", tmp_path)) == {"b": "B", "c": "C"}


def test_a_folder_in_it_may_be_the_context(registry: Registry, name: str, tmp_path: Path) -> None:
    push_artifact(registry.host, name, file("sub/file", b"F"))
    assert files(opened(f"oci://{registry.host}/{name}:1", tmp_path, "sub")) == {"file": "F"}


def test_nothing_of_an_artifact_lands_outside_of_the_context(
    registry: Registry, name: str, tmp_path: Path
) -> None:
    (tmp_path / "target").mkdir()
    links = packed(archives.link("out", str(tmp_path / "target")), archives.link("up", "../.."))
    parts = [Part(links), file("out/one", b"1"), file("up/two", b"2"), file("../../three", b"3")]
    push_artifact(registry.host, name, *parts)
    context = opened(f"oci://{registry.host}/{name}:1", tmp_path)
    assert sorted(files(context).values()) == ["1", "2", "3"]
    assert list((tmp_path / "target").iterdir()) == []
    assert {"two", "three"} <= set(os.listdir(context.root))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "there is nothing in this artifact"),
        ([file("a", b"1"), file("a", b"2")], "a is in the way of another file"),
        ([file("a", b"1"), file("a/b", b"2")], "a/b is in the way of another file"),
        ([file("/", b"1")], "/ is in the way of another file or is none"),
        ([Part(b"no archive" * 100, "text/plain")], "cannot be unpacked"),
    ],
    ids=["nothing", "twice", "below a file", "the folder itself", "no archive"],
)
def test_what_cannot_be_written_is_named(
    registry: Registry, name: str, tmp_path: Path, parts: list[Part], message: str
) -> None:
    push_artifact(registry.host, name, *parts)
    with pytest.raises(ContextError, match=message):
        opened(f"oci://{registry.host}/{name}:1", tmp_path)


def test_what_is_not_there_is_named(registry: Registry, name: str, tmp_path: Path) -> None:
    with pytest.raises(ImageNotFoundError, match=name):
        opened(f"oci://{registry.host}/{name}:1", tmp_path)
    with pytest.raises(UsageError):
        opened("oci://", tmp_path)
