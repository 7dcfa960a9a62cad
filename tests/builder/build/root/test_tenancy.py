"""A root that holds a base already, in a folder: what a container runtime does to one is done by hand."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.site import Site
from yadokari_builder.build.root.tenancy import Tenancy, read_hint
from yadokari_builder.errors import UsageError
from yadokari_builder.layers import snapshot
from yadokari_builder.plan.lodge import Lodger
from yadokari_builder.plan.plan import Plan, PlannedStage
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_contract.results.lodging import LodgingResult, NotLodged

LONG_AGO = 1_000_000_000
DIGEST = "sha256:" + "a" * 64

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture
def stage(site: Site) -> PlannedStage:
    return site.open(site.spec("FROM busybox AS only\nRUN true\n")).plan.target


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root with files of a base, among them one with two names, and a mount below /run and /etc."""
    root = tmp_path / "base"
    for folder in ("bin", "etc", "run/new"):
        (root / folder).mkdir(parents=True)
    (root / "bin/perl").write_text("perl")
    (root / "bin/perl5").hardlink_to(root / "bin/perl")
    (root / "etc/passwd").touch()
    for folder in ("etc", "bin"):
        os.utime(root / folder, (LONG_AGO, LONG_AGO))
    os.utime(root / "etc", (LONG_AGO, time.time()))
    return root


def tenancy(root: Path, stage: PlannedStage, told: list[LodgingResult]) -> Tenancy:
    lodger = Lodger(stage, Plan((stage,), stage.index, {}, {}), (stage.index,))
    boundary = Boundary(root, frozenset({"/run/new/mount", "/etc/hosts"}))
    return Tenancy(boundary, lodger, time.time_ns() + 50_000_000, told.append)


def test_a_root_that_nobody_has_touched_is_the_base(root: Path, stage: PlannedStage) -> None:
    told: list[LodgingResult] = []
    tenant = tenancy(root, stage, told)
    assert tenant.begin(stage.base)
    assert told == [LodgingResult("only")]
    assert tenant.strangers == ("/run", "/run/new")


def test_a_folder_in_which_the_runtime_has_made_a_mount_point_is_known(
    root: Path, stage: PlannedStage
) -> None:
    tenant = tenancy(root, stage, [])
    assert tenant.begin(stage.base)
    assert tenant.stamps == {"/etc": os.stat(root / "etc").st_mtime_ns}
    assert tenant.take_found(tenant.boundary) == snapshot.take(tenant.boundary)


@pytest.mark.parametrize("seconds", [5, 10**9])
def test_a_folder_of_the_base_may_be_of_a_time_to_come(seconds: int, root: Path, stage: PlannedStage) -> None:
    to_come = time.time() + seconds
    os.utime(root / "etc", (to_come, to_come))
    tenant = tenancy(root, stage, [])
    assert tenant.begin(stage.base)
    assert tenant.strangers == ("/run", "/run/new")
    assert tenant.stamps == {}


def test_a_folder_that_somebody_has_listed_may_be_the_runtimes_or_the_bases(
    root: Path, stage: PlannedStage
) -> None:
    told: list[LodgingResult] = []
    tenant = tenancy(root, stage, told)
    os.utime(root / "etc", (tenant.made_ns / 1e9 + 5, time.time()))
    assert not tenant.begin(stage.base)
    why = "/etc was looked into after the container was made: whose it is cannot be told"
    assert told == [LodgingResult("", NotLodged.ROOT_CHANGED, why)]


@pytest.fixture
def overlay(root: Path, tmp_path: Path) -> Iterator[Path]:
    """Return the root as the lower layer of an overlay, without /run, in which a runtime has worked now."""
    merged, upper, work = (tmp_path / name for name in ("merged", "upper", "work"))
    for folder in (merged, upper, work):
        folder.mkdir()
    (root / "run/new").rmdir()
    (root / "run").rmdir()
    options = f"lowerdir={root},upperdir={upper},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, merged], check=True)
    (merged / "run/new/mount").mkdir(parents=True)
    (merged / "etc/hosts").touch()
    yield merged
    subprocess.run(["umount", merged], check=True)


@needs_root
@pytest.mark.parametrize("seconds", [-0.01, 5], ids=["before", "after"])
def test_an_overlay_tells_whose_a_folder_is_whoever_looked_into_it(
    seconds: float, overlay: Path, stage: PlannedStage
) -> None:
    told: list[LodgingResult] = []
    tenant = tenancy(overlay, stage, told)
    # As who looks into the upper layer from outside.
    for folder in ("etc", "run", "run/new"):
        path = overlay / folder
        os.utime(path, ns=(tenant.made_ns + int(seconds * 1e9), path.stat().st_mtime_ns))
    tenant.made_ns = time.time_ns() + 50_000_000
    assert tenant.begin(stage.base)
    assert told == [LodgingResult("only")]
    assert tenant.strangers == ("/run", "/run/new")
    assert [*tenant.stamps] == ["/etc"]
    assert sorted(os.listdir(overlay)) == ["bin", "etc", "run"]


@pytest.mark.parametrize(
    ("path", "target", "seconds", "is_base"),
    [
        ("etc/mtab", "/proc/mounts", 0.05, False),
        ("etc/mtab", "/proc/mounts", 20, True),
        ("etc/mtab", "../proc/mounts", 0.05, True),
        (".dockerenv", "", 20, False),
    ],
)
def test_what_some_runtimes_make_beside_mounts_is_not_taken_for_the_bases(
    path: str, target: str, seconds: float, is_base: bool, root: Path, stage: PlannedStage
) -> None:
    (root / path).symlink_to(target) if target else (root / path).touch()
    told: list[LodgingResult] = []
    tenant = tenancy(root, stage, told)
    tenant.made_ns = time.time_ns() + int(seconds * 1e9)
    assert tenant.begin(stage.base) is is_base
    why = f"/{path} may be the container runtime's"
    assert told == [LodgingResult("only") if is_base else LodgingResult("", NotLodged.ROOT_CHANGED, why)]


def test_a_root_is_taken_once(root: Path, stage: PlannedStage) -> None:
    tenant = tenancy(root, stage, [])
    assert tenant.begin(stage.base)
    assert not tenant.begin(stage.base)


def test_a_root_that_another_stage_was_in_is_not_the_base(root: Path, stage: PlannedStage) -> None:
    tenant = tenancy(root, stage, [])
    assert not tenant.begin(None)
    assert not tenant.begin(stage.base)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda root: (root / "bin/new").touch(), "/bin"),
        (lambda root: (root / "bin/perl").chmod(0o700), "/bin/perl"),
        (lambda root: (root / "etc/passwd").unlink(), "/etc"),
        (lambda root: (root / "top").mkdir(), "/top"),
        (lambda root: root.chmod(0o700), "/"),
    ],
)
def test_a_root_that_was_changed_after_the_container_was_made_is_not_the_base(
    change: Callable[[Path], object], place: str, root: Path, stage: PlannedStage
) -> None:
    told: list[LodgingResult] = []
    tenant = tenancy(root, stage, told)
    while time.time_ns() < tenant.made_ns + 10_000_000:
        time.sleep(0.005)
    change(root)
    assert not tenant.begin(stage.base)
    assert told == [
        LodgingResult("", NotLodged.ROOT_CHANGED, f"{place} was changed after the container was made")
    ]


def test_names_of_one_file_stay_that_and_their_folder_keeps_its_time(root: Path, stage: PlannedStage) -> None:
    before = os.stat(root / "bin/perl")
    assert tenancy(root, stage, []).begin(stage.base)
    after = os.stat(root / "bin/perl5")
    assert os.path.samefile(root / "bin/perl", root / "bin/perl5")
    assert (after.st_mode, after.st_mtime_ns, after.st_nlink) == (before.st_mode, before.st_mtime_ns, 2)
    assert os.stat(root / "bin").st_mtime == LONG_AGO


def test_what_the_container_is_made_of_is_said_by_digest() -> None:
    hint = read_hint(f"debian@{DIGEST}", {})
    assert hint is not None
    assert str(hint.digest) == DIGEST
    assert read_hint("", {"LD_PRELOAD": "/evil.so"}) is None
    with pytest.raises(UsageError, match="--lodging debian:bookworm: it names no digest"):
        read_hint("debian:bookworm", {})


def test_an_image_cannot_load_a_library_into_the_executor_unnoticed() -> None:
    read_hint(f"debian@{DIGEST}", {"LD_PRELOAD": ""})
    with pytest.raises(UsageError, match="LD_PRELOAD is set, perhaps by the image"):
        read_hint(f"debian@{DIGEST}", {"LD_PRELOAD": "/evil.so"})
