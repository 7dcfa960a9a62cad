import os
import stat
from pathlib import Path

import pytest

from yadokari_builder.errors import RunError
from yadokari_builder.run.kubelet_files import preserved


def write_and_fail(path: Path) -> None:
    path.write_text("after")
    raise FileExistsError(path)


def test_what_a_step_wrote_into_a_file_is_undone(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_bytes(b"127.0.0.1 localhost\n")
    hosts.chmod(0o644)
    inode = hosts.stat().st_ino
    with preserved([str(hosts)]):
        hosts.write_text("6.6.6.6 registry\n" * 100)
        hosts.chmod(0o600)
    assert hosts.read_bytes() == b"127.0.0.1 localhost\n"
    assert stat.S_IMODE(hosts.stat().st_mode) == 0o644
    assert hosts.stat().st_ino == inode


def test_what_a_step_appended_is_undone(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("before\n")
    with preserved([str(hosts)]), open(hosts, "a") as file:
        file.write("x" * 100_000)
        file.flush()
    assert hosts.read_text() == "before\n"


def test_it_is_undone_when_the_step_fails(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("before")
    with pytest.raises(FileExistsError), preserved([str(hosts)]):
        write_and_fail(hosts)
    assert hosts.read_text() == "before"


def test_a_file_that_was_not_touched_is_not_written(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("same")
    before = os.stat(hosts)
    with preserved([str(hosts)]):
        pass
    assert os.stat(hosts).st_ctime_ns == before.st_ctime_ns


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    with preserved([str(tmp_path), str(tmp_path / "link"), str(tmp_path / "nothing")]):
        (tmp_path / "nothing").write_text("new")
    assert (tmp_path / "nothing").read_text() == "new"


def test_a_step_that_moves_a_file_away_with_its_folder_is_to_blame(tmp_path: Path) -> None:
    hosts = tmp_path / "etc/hosts"
    hosts.parent.mkdir()
    hosts.write_text("before")

    def move() -> None:
        hosts.write_text("after")
        hosts.parent.rename(tmp_path / "etc2")

    with pytest.raises(RunError, match=r"the step moved .*/etc/hosts away"), preserved([str(hosts)]):
        move()
    assert (tmp_path / "etc2/hosts").read_text() == "before"
