import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.run.devices import Devices

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="devices can be made by root only")

MOUNTS = frozenset({"/dev", "/dev/shm", "/dev/mqueue", "/dev/pts", "/dev/termination-log"})


@pytest.fixture
def dev(tmp_path: Path) -> Path:
    dev = tmp_path / "dev"
    for folder in ("shm", "mqueue", "pts", "net"):
        (dev / folder).mkdir(parents=True)
    os.chmod(dev / "shm", 0o1777)
    for name, minor in (("null", 3), ("zero", 5)):
        os.mknod(dev / name, stat.S_IFCHR | 0o666, os.makedev(1, minor))
        os.chmod(dev / name, 0o666)
    os.mknod(dev / "net/tun", stat.S_IFCHR | 0o600, os.makedev(10, 200))
    os.chown(dev / "zero", 0, 5)
    (dev / "stdout").symlink_to("/proc/self/fd/1")
    (dev / "termination-log").write_text("")
    return dev


def listing(dev: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for path in [dev, *sorted(dev.rglob("*"))]:
        state = path.lstat()
        link = os.readlink(path) if path.is_symlink() else ""
        found[str(path.relative_to(dev))] = (state.st_mode, state.st_uid, state.st_gid, state.st_rdev, link)
    return found


def replace_null(dev: Path) -> None:
    (dev / "null").unlink()
    (dev / "null").write_text("text")


def swap_devices(dev: Path) -> None:
    os.rename(dev / "zero", dev / "null")


def lead_a_link_elsewhere(dev: Path) -> None:
    (dev / "stdout").unlink()
    (dev / "stdout").symlink_to("/etc/passwd")


def remove_all(dev: Path) -> None:
    for name in ("null", "zero", "stdout"):
        (dev / name).unlink()
    shutil.rmtree(dev / "net")


def put_something_everywhere(dev: Path) -> None:
    for folder in ("", "shm", "mqueue", "net"):
        (dev / folder / "file").write_text("left")
        (dev / folder / "deep/er").mkdir(parents=True)
        os.mkfifo(dev / folder / "deep/er/fifo")


def change_modes_and_owners(dev: Path) -> None:
    for name in ("", "shm", "null", "net"):
        os.chmod(dev / name, 0o700)
        os.chown(dev / name, 1001, 1001)
    os.chown(dev / "stdout", 1001, 1001, follow_symlinks=False)


def put_a_link_in_the_place_of_a_folder(dev: Path) -> None:
    shutil.rmtree(dev / "net")
    (dev / "net").symlink_to("/etc")


def go_deep(dev: Path) -> None:
    here = os.open(dev / "shm", os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


@pytest.mark.parametrize(
    "step",
    [
        replace_null,
        swap_devices,
        lead_a_link_elsewhere,
        remove_all,
        put_something_everywhere,
        change_modes_and_owners,
        put_a_link_in_the_place_of_a_folder,
        go_deep,
    ],
)
def test_dev_is_for_the_next_step_what_it_was_for_the_first(
    tmp_path: Path, dev: Path, step: Callable[[Path], None]
) -> None:
    before = listing(dev)
    devices = Devices.record(Boundary(tmp_path, MOUNTS))
    for _ in range(2):
        with devices.fresh():
            step(dev)
        assert listing(dev) == before


def test_what_else_is_mounted_is_left_alone(tmp_path: Path, dev: Path) -> None:
    devices = Devices.record(Boundary(tmp_path, MOUNTS))
    with devices.fresh():
        (dev / "termination-log").write_text("message")
        (dev / "pts/0").write_text("terminal")
    assert (dev / "termination-log").read_text() == "message"
    assert (dev / "pts/0").read_text() == "terminal"


def test_what_was_in_shared_memory_before_stays(tmp_path: Path, dev: Path) -> None:
    (dev / "shm/of-a-volume").write_text("kept")
    devices = Devices.record(Boundary(tmp_path, MOUNTS))
    with devices.fresh():
        (dev / "shm/of-the-step").write_text("gone")
    assert [path.name for path in (dev / "shm").iterdir()] == ["of-a-volume"]
    with devices.fresh():
        (dev / "shm/of-a-volume").unlink()


def test_a_dev_that_is_not_mounted_is_the_images(tmp_path: Path, dev: Path) -> None:
    devices = Devices.record(Boundary(tmp_path))
    with devices.fresh():
        (dev / "file").write_text("made by the step")
    assert (dev / "file").exists()


WITHOUT_MKNOD = """
import os, sys
from pathlib import Path
from yadokari_builder.errors import RunError
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.run.devices import Devices

try:
    with Devices.record(Boundary(Path(sys.argv[1]), frozenset({"/dev"}))).fresh():
        os.unlink(sys.argv[1] + "/dev/null")
except RunError as error:
    print(error)
"""


def test_a_device_that_cannot_be_made_anew_is_named(tmp_path: Path, dev: Path) -> None:
    python = ["setpriv", "--bounding-set=-mknod", sys.executable, "-c", WITHOUT_MKNOD, str(tmp_path)]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    shown = subprocess.run(python, capture_output=True, text=True, env=environment)
    assert shown.stderr == ""
    assert shown.stdout == (
        "/dev/null was changed by the step and cannot be made anew for the next one: Operation not permitted."
        " Leave it as it is, or give the executor's container the capability MKNOD\n"
    )
