import os
from pathlib import Path

import pytest

from yadokari_builder.rootfs.shelter import move_entries, relocate


def test_entries_move_and_what_is_excluded_stays(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.joinpath("a/b/kept").mkdir(parents=True)
    source.joinpath("a/b/moved").touch()
    source.joinpath("a/link").symlink_to("b")
    source.joinpath("c").mkdir(mode=0o711)
    target.mkdir()
    move_entries(str(source), "/", str(target), frozenset({"/a/b/kept"}))
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*")) == [
        "a",
        "a/b",
        "a/b/moved",
        "a/link",
        "c",
    ]
    assert [str(path.relative_to(source)) for path in sorted(source.rglob("*"))] == ["a", "a/b", "a/b/kept"]


def test_a_missing_source_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        relocate(str(tmp_path / "gone"), str(tmp_path / "target"))


def test_metadata_moves_along(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir(mode=0o711)
    source.joinpath("file").touch()
    os.utime(source, (1, 2))
    relocate(str(source), str(tmp_path / "target"))
    status = os.stat(tmp_path / "target")
    assert (status.st_mode & 0o7777, status.st_mtime) == (0o711, 2)
