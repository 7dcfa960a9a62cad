import os
from pathlib import Path

import pytest

from yadokari_builder.dockerfile.ignore import IgnorePatterns
from yadokari_builder.executor.lodging import open_lodging
from yadokari_builder.executor.roots import Roots
from yadokari_builder.executor.steps import StageSource
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.pull import PulledImage


def no_image(_: Reference) -> PulledImage:
    raise AssertionError("no image is asked for")


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
    return Roots(lodging, boundary, staging, tmp_path / "context", IgnorePatterns(), no_image)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_stages_files_are_there_for_others_and_the_root_is_clean_again(
    roots: Roots, tmp_path: Path
) -> None:
    roots.fill(None, None, last_use=False)
    (tmp_path / "etc" / "passwd").write_text("root")
    (tmp_path / "usr").mkdir()
    roots.put_aside(0)
    assert names(roots.source(StageSource(0)).root) == ["etc", "etc/passwd", "usr"]
    assert not (tmp_path / "usr").exists()
    assert (tmp_path / "etc" / "hosts").read_text() == "mounted"


def test_directories_that_are_there_for_a_mount_alone_are_not_a_stages_own(
    roots: Roots, tmp_path: Path
) -> None:
    roots.fill(None, None, last_use=False)
    roots.put_aside(0)
    assert names(roots.source(StageSource(0)).root) == []

    roots.fill(None, None, last_use=False)
    os.chmod(tmp_path / "mnt", 0o700)
    roots.put_aside(1)
    assert names(roots.source(StageSource(1)).root) == ["mnt"]


def test_a_stage_starts_from_an_earlier_one_that_stays_if_others_need_it(
    roots: Roots, tmp_path: Path
) -> None:
    roots.fill(None, None, last_use=False)
    (tmp_path / "etc" / "passwd").write_text("root")
    roots.put_aside(0)

    roots.fill(StageSource(0), None, last_use=False)
    (tmp_path / "etc" / "passwd").write_text("changed")
    kept = roots.source(StageSource(0)).root
    assert (kept / "etc" / "passwd").read_text() == "root"

    roots.fill(StageSource(0), None, last_use=True)
    assert (tmp_path / "etc" / "passwd").read_text() == "root"
    assert not kept.exists()


def test_what_a_stage_has_where_the_runtime_is_belongs_to_its_files(roots: Roots) -> None:
    roots.fill(None, None, last_use=False)
    (roots.staging / "yadokari").mkdir()
    (roots.staging / "yadokari" / "tool").write_text("tool")
    roots.put_aside(0)
    assert names(roots.source(StageSource(0)).root) == ["yadokari", "yadokari/tool"]


def test_files_that_nobody_needs_any_more_are_deleted(roots: Roots, tmp_path: Path) -> None:
    roots.fill(None, None, last_use=False)
    (tmp_path / "large").write_text("x")
    roots.put_aside(0)
    folder = roots.source(StageSource(0)).root
    roots.forget(0)
    assert not folder.exists()
