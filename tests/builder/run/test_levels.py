import logging
from pathlib import Path

import pytest

from yadokari_builder.errors import RunError
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.run.command import Command
from yadokari_builder.run.devices import Devices
from yadokari_builder.run.levels import Namespaces, Shared, may_be_apart
from yadokari_builder.run.spaces import ground
from yadokari_builder.run.spaces.view import Memory
from yadokari_builder.run.volumes import Volumes


def test_a_tmpfs_in_the_shared_container_tells_that_its_size_is_not_enforced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    boundary = Boundary(tmp_path)
    shared = Shared(boundary, Devices.record(boundary), Volumes(boundary, frozenset()), tuple)
    with caplog.at_level(logging.WARNING):
        shared.starting(Command(["true"], {}), [Memory("/t", 4096), Memory("/u")])
    assert [record.getMessage() for record in caplog.records] == [
        "RUN --mount=type=tmpfs,target=/t: the size is not enforced at level shared"
    ]


@pytest.mark.parametrize(
    ("text", "tail", "is_told"),
    [
        ("mknod /x c 1 3", "", True),
        ("tar xf /x", "tar: null: Cannot mknod: Operation not permitted", True),
        ("false", "Operation not permitted", False),
    ],
)
def test_a_step_that_makes_device_nodes_is_told_of_the_other_level(
    tmp_path: Path, text: str, tail: str, is_told: bool
) -> None:
    with pytest.raises(RunError) as caught, Namespaces(tmp_path).watched(text, "/"):
        raise RunError("it failed", status=1, log_tail=tail)
    assert ("--isolation=shared" in caught.value.message) == is_told


def test_namespaces_that_are_not_wanted_are_not_tried(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert not may_be_apart("shared", tmp_path / "nothing")
    assert "isolation: shared, as asked for" in caplog.text


@pytest.mark.parametrize("wanted", ["auto", "namespaces"])
def test_what_was_tried_is_gone(tmp_path: Path, wanted: str) -> None:
    folder = tmp_path / "trial"
    folder.mkdir()
    assert may_be_apart(wanted, folder)
    assert not folder.exists()


def test_what_the_pods_files_say_stays_nowhere_in_a_root_of_its_own(tmp_path: Path) -> None:
    ground.lay(tmp_path)
    with Namespaces(tmp_path).around():
        assert (tmp_path / "etc/hosts").read_bytes() == Path("/etc/hosts").read_bytes()
        (tmp_path / "etc").rename(tmp_path / "etc2")
    assert (tmp_path / "etc2/hosts").read_bytes() == b""
