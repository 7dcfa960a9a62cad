import stat
from pathlib import Path

import pytest

from yadokari_builder.build.lodging import open_lodging, require_container
from yadokari_builder.errors import UsageError

OVERLAY = "30 1 0:50 / / rw,relatime - overlay overlay rw\n31 30 0:5 / /proc rw - proc proc rw\n"
DISK = "22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
OURS = "/yadokari/bin/python3"


def test_a_build_stays_away_from_the_runtime_and_every_mount(tmp_path: Path) -> None:
    boundary = open_lodging(tmp_path).boundary(["/", "/proc", "/etc/hosts"])
    assert boundary.excluded == {"/yadokari", "/proc", "/etc/hosts"}


def test_what_the_image_names_as_its_own_is_kept_too(tmp_path: Path) -> None:
    (tmp_path / "yadokari").mkdir()
    (tmp_path / "yadokari" / "keep").write_text("/busybox\n\n")
    assert "/busybox" in open_lodging(tmp_path).boundary([]).excluded


@pytest.mark.parametrize(
    ("link", "target", "what"),
    [
        ("yadokari", "home", "/yadokari"),
        ("etc/hosts", "/home/hosts", "/etc/hosts"),
        ("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf", "/etc/resolv.conf"),
        ("etc", "home", "/etc/hosts"),
    ],
)
def test_a_base_that_leads_what_is_mounted_elsewhere_is_not_built_in(
    tmp_path: Path, link: str, target: str, what: str
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to(target)
    with pytest.raises(UsageError, match=f"the image has a link on the way to {what}, so"):
        open_lodging(tmp_path, is_base=True)
    assert [*(tmp_path / "home").iterdir()] == []


def test_what_an_earlier_build_left_goes_but_contexts_and_caches_stay(tmp_path: Path) -> None:
    lodging = open_lodging(tmp_path)
    assert lodging.is_new
    for name in ("aside/stage0.0", "layers", "contexts/0", "caches/c"):
        Path(lodging.host(lodging.work(name))).mkdir(parents=True)
    lodging = open_lodging(tmp_path)
    assert sorted(entry.name for entry in (tmp_path / "yadokari" / "work").iterdir()) == [
        "begun",
        "caches",
        "contexts",
    ]
    assert not lodging.is_new
    assert lodging.free_refuge().name == "1"


def test_a_link_that_a_step_left_in_the_place_of_a_folder_goes_alone(tmp_path: Path) -> None:
    open_lodging(tmp_path)
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace/file").touch()
    (tmp_path / "yadokari/work/layers").symlink_to(tmp_path / "workspace")
    open_lodging(tmp_path)
    assert (tmp_path / "workspace/file").exists()
    assert not (tmp_path / "yadokari/work/layers").is_symlink()


def test_kanikos_link_is_away_while_a_build_runs(tmp_path: Path) -> None:
    link = tmp_path / "kaniko"
    link.symlink_to("yadokari")
    with open_lodging(tmp_path).without_link():
        assert not link.is_symlink()
    assert str(link.readlink()) == "yadokari"


def test_a_kaniko_of_the_images_own_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "kaniko").symlink_to("yadokari")
    with open_lodging(tmp_path).without_link():
        (tmp_path / "kaniko").mkdir()
    assert (tmp_path / "kaniko").is_dir()
    assert not (tmp_path / "kaniko").is_symlink()


@pytest.mark.parametrize(("mounts", "is_back"), [(("/run/argo",), True), (("/workspace",), False)])
def test_a_mount_that_was_reached_by_var_run_still_is_when_the_build_is_done(
    tmp_path: Path, mounts: tuple[str, ...], is_back: bool
) -> None:
    link = tmp_path / "var" / "run"
    link.parent.mkdir()
    link.symlink_to("../run")
    with open_lodging(tmp_path).with_way_to_mounts(mounts):
        link.unlink()
        link.parent.rmdir()
    assert link.is_symlink() == is_back


def test_what_an_image_has_at_var_run_is_left_as_it_is(tmp_path: Path) -> None:
    link = tmp_path / "var" / "run"
    link.parent.mkdir()
    link.symlink_to("../run")
    with open_lodging(tmp_path).with_way_to_mounts(["/run/argo"]):
        link.unlink()
        link.mkdir()
    assert link.is_dir()
    assert not link.is_symlink()
    with open_lodging(tmp_path).with_way_to_mounts(["/run/argo"]):
        pass
    assert not link.is_symlink()


def test_a_var_of_the_images_that_leads_elsewhere_gets_nothing(tmp_path: Path) -> None:
    link = tmp_path / "var" / "run"
    link.parent.mkdir()
    link.symlink_to("../run")
    (tmp_path / "elsewhere").mkdir()
    with open_lodging(tmp_path).with_way_to_mounts(["/run/argo"]):
        link.unlink()
        link.parent.rmdir()
        link.parent.symlink_to("elsewhere")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    ("executable", "environment", "mountinfo"),
    [
        (OURS, {}, OVERLAY),
        (OURS, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, DISK),
        (OURS, {"container": "oci"}, DISK),
    ],
)
def test_a_container_of_the_image_may_be_built_in(
    tmp_path: Path, executable: str, environment: dict[str, str], mountinfo: str
) -> None:
    require_container(tmp_path, executable, environment, mountinfo)


@pytest.mark.parametrize(
    ("executable", "environment", "mountinfo"),
    [("/usr/bin/python3", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, OVERLAY), (OURS, {}, DISK)],
)
def test_anything_else_is_refused(
    tmp_path: Path, executable: str, environment: dict[str, str], mountinfo: str
) -> None:
    with pytest.raises(UsageError, match="--force"):
        require_container(tmp_path, executable, environment, mountinfo)


def test_what_builds_write_is_the_executors_alone_though_a_volume_is_anybodys(tmp_path: Path) -> None:
    work = tmp_path / "yadokari/work"
    work.mkdir(parents=True)
    work.chmod(0o777)
    open_lodging(tmp_path)
    assert stat.S_IMODE(work.stat().st_mode) == 0o700
