import os
from collections.abc import Callable
from pathlib import Path

import pytest

from support.archives import Member, archive, file, hard_link, link
from support.handmade import FileLayer
from yadokari_builder.build.lodging import open_lodging
from yadokari_builder.build.root.roots import Roots
from yadokari_builder.dockerfile.ignore import IgnorePatterns
from yadokari_builder.oci.config import ImageConfig
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.media_types import OCI_LAYER, OCI_MANIFEST
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference, Repository
from yadokari_builder.plan.steps import EmptySource, Files, StageSource
from yadokari_builder.registry.pull import PulledImage


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    lodging = open_lodging(tmp_path)
    for mount in ("mnt/deep/volume", "etc"):
        (tmp_path / mount).mkdir(parents=True)
    (tmp_path / "etc" / "hosts").write_text("mounted")
    (tmp_path / "sys" / "fs" / "cgroup").mkdir(parents=True)
    boundary = lodging.boundary(["/mnt/deep/volume", "/etc/hosts", "/sys", "/sys/fs/cgroup"])
    staging = Path(lodging.host(lodging.work("staging")))
    staging.mkdir()
    return Roots(lodging, boundary, staging, tmp_path / "context", IgnorePatterns(), 0, boundary)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def pulled(folder: Path, *members: Member) -> PulledImage:
    content = archive(*members).getvalue()
    (folder / "layer.tar").write_bytes(content)
    digest = Digest.of(content)
    layer = Layer(Descriptor(OCI_LAYER, digest, len(content)), digest)
    config = ImageConfig(platform=Platform("linux", "amd64"), diff_ids=(digest,))
    image = Image.assemble(config, [layer], OCI_MANIFEST)
    reference = Reference.parse("example.com/base")
    source = FileLayer(layer, str(folder / "layer.tar"))
    return PulledImage(reference, Repository("example.com", "base"), image, (source,))


def test_every_volume_that_hides_files_of_a_base_is_named_once(
    roots: Roots, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    base = pulled(tmp_path_factory.mktemp("image"), *(file(f"{path}/{n}") for path in "ab" for n in range(3)))
    roots.boundary = roots.lodging.boundary(["/a", "/b", "/c"])
    roots.fill(base, Files.CONTENT, last_use=False)
    assert "its own /a, /b goes into the image, but no step sees it" in caplog.text


def test_what_tells_accounts_is_there_even_where_names_are_enough(
    roots: Roots, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("image")
    roots.fill(
        pulled(folder, file("etc/passwd", b"root"), file("bin/sh", b"shell")), Files.NAMES, last_use=False
    )
    assert (tmp_path / "etc" / "passwd").read_text() == "root"
    assert (tmp_path / "bin" / "sh").read_bytes() == b""


@pytest.mark.parametrize("way", [link, hard_link])
def test_a_link_that_hides_what_tells_accounts_is_found(
    way: Callable[[str, str], Member], roots: Roots, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("image")
    target = "../usr/accounts" if way is link else "usr/accounts"
    base = pulled(folder, file("usr/accounts", b"root"), way("etc/passwd", target))
    roots.fill(base, Files.NAMES, last_use=False)
    assert roots.lacks_accounts()
    roots.fill(base, Files.CONTENT, last_use=False)
    assert not roots.lacks_accounts()


def test_a_stage_that_needs_nothing_of_its_base_starts_empty(
    roots: Roots, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("image")
    roots.fill(pulled(folder, file("bin/sh", b"shell")), Files.NONE, last_use=False)
    assert not (tmp_path / "bin").exists()


def test_a_stages_files_are_there_for_others_and_the_root_is_clean_again(
    roots: Roots, tmp_path: Path
) -> None:
    roots.fill(None, Files.CONTENT, last_use=False)
    (tmp_path / "etc" / "passwd").write_text("root")
    (tmp_path / "usr").mkdir()
    roots.put_aside(0)
    assert names(roots.source(StageSource(0)).root) == ["etc", "etc/passwd", "usr"]
    assert not (tmp_path / "usr").exists()
    assert (tmp_path / "etc" / "hosts").read_text() == "mounted"


def test_directories_that_are_there_for_a_mount_alone_are_not_a_stages_own(
    roots: Roots, tmp_path: Path
) -> None:
    roots.fill(None, Files.CONTENT, last_use=False)
    roots.put_aside(0)
    assert names(roots.source(StageSource(0)).root) == []

    roots.fill(None, Files.CONTENT, last_use=False)
    os.chmod(tmp_path / "mnt", 0o700)
    roots.put_aside(1)
    assert names(roots.source(StageSource(1)).root) == ["mnt"]


def test_a_stage_starts_from_an_earlier_one_that_stays_if_others_need_it(
    roots: Roots, tmp_path: Path
) -> None:
    roots.fill(None, Files.CONTENT, last_use=False)
    (tmp_path / "etc" / "passwd").write_text("root")
    roots.put_aside(0)

    roots.fill(StageSource(0), Files.CONTENT, last_use=False)
    (tmp_path / "etc" / "passwd").write_text("changed")
    kept = roots.source(StageSource(0)).root
    assert (kept / "etc" / "passwd").read_text() == "root"

    roots.fill(StageSource(0), Files.CONTENT, last_use=True)
    assert (tmp_path / "etc" / "passwd").read_text() == "root"
    assert not kept.exists()


def test_what_a_stage_has_where_the_runtime_is_belongs_to_its_files(roots: Roots) -> None:
    roots.fill(None, Files.CONTENT, last_use=False)
    (roots.staging / "yadokari").mkdir()
    (roots.staging / "yadokari" / "tool").write_text("tool")
    roots.put_aside(0)
    assert names(roots.source(StageSource(0)).root) == ["yadokari", "yadokari/tool"]


def test_files_that_nobody_needs_any_more_are_deleted(roots: Roots, tmp_path: Path) -> None:
    roots.fill(None, Files.CONTENT, last_use=False)
    (tmp_path / "large").write_text("x")
    roots.put_aside(0)
    folder = roots.source(StageSource(0)).root
    roots.forget(0)
    assert not folder.exists()


def test_what_of_an_image_is_left_out_is_said_once(
    roots: Roots, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    attributes = {"SCHILY.xattr.trusted.note": "x", "SCHILY.xattr.unknown.note": "x"}
    base = pulled(
        tmp_path_factory.mktemp("image"),
        *(file(name, b"", pax_headers=attributes) for name in ("a", "b")),
        hard_link("c", "../../etc/shadow"),
    )
    roots.fill(base, Files.CONTENT, last_use=False)
    assert caplog.messages == [
        "example.com/base:latest: the attribute trusted.note of 2 files is left out:"
        " it is of a host, not of an image",
        "example.com/base:latest: the attribute unknown.note of 2 files is left out: the node refuses it",
        "example.com/base:latest: 1 hard links lead out of the root and are left out: /c",
    ]


def test_a_step_cannot_lead_to_another_place_what_is_taken_from_a_stage(roots: Roots, tmp_path: Path) -> None:
    secret = tmp_path / "mnt/deep/volume"
    (secret / "file").write_text("secret")
    roots.fill(None, Files.CONTENT, last_use=False)
    (tmp_path / "file").write_text("of the stage")
    roots.put_aside(0)
    aside = tmp_path / "yadokari/work/aside"
    for folder in (*aside.iterdir(), aside):
        folder.rename(f"{folder}-moved")
        folder.symlink_to(secret)
    assert (roots.source(StageSource(0)).root / "file").read_text() == "of the stage"
    roots.fill(StageSource(0), Files.CONTENT, last_use=False)
    roots.put_aside(1)
    assert (roots.source(StageSource(1)).root / "file").read_text() == "of the stage"
    assert [path.name for path in secret.iterdir()] == ["file"]
    assert (secret / "file").read_text() == "secret"


def test_nothing_is_in_a_source_from_scratch_whatever_steps_put_there(roots: Roots) -> None:
    (roots.source(EmptySource()).root / "put there").touch()
    assert names(roots.source(EmptySource()).root) == []
