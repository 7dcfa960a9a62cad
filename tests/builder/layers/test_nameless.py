"""Files that have no name in the root that steps share."""

import os
from pathlib import Path

import pytest

from yadokari_builder.layers.nameless import NamelessFile


def refuse_nameless_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a file system that knows no O_TMPFILE, as overlay before Linux 6.1."""
    monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY | os.O_TRUNC)


@pytest.mark.parametrize("supported", [True, False])
def test_a_file_without_a_name_is_read_by_its_readers_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, supported: bool
) -> None:
    if not supported:
        refuse_nameless_files(monkeypatch)
    file = NamelessFile(tmp_path)
    file.append(b"the first part, ")
    first, second = file.open(), file.open()
    assert first.read(10) == b"the first "
    file.append(b"the second")
    assert list(tmp_path.iterdir()) == []
    assert second.read(100) == b"the first part, the second"
    assert first.read(100) == b"part, the second"
    assert first.read(1) == b""


def test_a_reader_keeps_a_file_that_was_given_up(tmp_path: Path) -> None:
    file = NamelessFile(tmp_path)
    file.append(b"content")
    with file.open() as reader:
        file.close()
        file.close()
        assert reader.read() == b"content"


def test_a_file_is_gone_with_its_last_descriptor(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    file = NamelessFile(tmp_path)
    file.open().close()
    del file
    assert len(os.listdir("/proc/self/fd")) == before


def test_errors_of_the_folder_are_raised(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        NamelessFile(tmp_path / "missing")
