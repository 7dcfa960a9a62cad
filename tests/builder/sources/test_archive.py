"""Contexts that are archives: tar://FILE and tar://stdin."""

import bz2
import gzip
import hashlib
import lzma
import os
import pty
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from support import archives
from support.contexts import files, opened
from yadokari_builder.errors import ContextError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="archives are unpacked by root")

ARCHIVE = archives.archive(
    archives.directory("sub"), archives.file("sub/file", b"F"), archives.file("Dockerfile", b"FROM scratch")
).getvalue()
FILES = {"Dockerfile": "FROM scratch", "sub/file": "F"}

COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
}


@pytest.mark.parametrize("compress", COMPRESSED.values(), ids=COMPRESSED)
def test_an_archive_is_unpacked_by_what_it_is(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    data = compress(ARCHIVE)
    (tmp_path / "context").write_bytes(data)
    context = opened("tar://context", tmp_path)
    assert files(context) == FILES
    assert context.resolved == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert context.root.is_relative_to(tmp_path / "root/yadokari/work/fetched")


def test_an_archive_comes_from_standard_input(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with open(writing, "wb") as end:
        end.write(gzip.compress(ARCHIVE))
    with open(reading, "rb"):
        assert files(opened("tar://stdin", tmp_path, stdin=reading)) == FILES


def test_nothing_on_standard_input_is_said(tmp_path: Path) -> None:
    with (
        open("/dev/null", "rb") as nothing,
        pytest.raises(ContextError, match="tar://stdin is empty: there is no archive"),
    ):
        opened("tar://stdin", tmp_path, stdin=nothing.fileno())


def test_a_terminal_is_not_waited_for(tmp_path: Path) -> None:
    leader, terminal = pty.openpty()
    try:
        with pytest.raises(ContextError, match="standard input is a terminal: pipe an archive into it"):
            opened("tar://stdin", tmp_path, stdin=terminal)
    finally:
        os.close(leader)
        os.close(terminal)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("tar://", "the build context has no path: name a file"),
        ("tar://gone.tar", "the build context tar://gone.tar does not exist"),
        ("tar://folder", "tar://folder is a folder: name it as dir://folder"),
        ("tar://text", "tar://text cannot be unpacked: "),
        ("tar://cut.tar.gz", "tar://cut.tar.gz cannot be unpacked: the gzip data is broken"),
    ],
)
def test_what_is_no_archive_is_named(tmp_path: Path, location: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("<html>not found</html>" * 100)
    (tmp_path / "cut.tar.gz").write_bytes(gzip.compress(ARCHIVE)[:-20])
    with pytest.raises(ContextError) as caught:
        opened(location, tmp_path)
    assert str(caught.value).startswith(message)


def test_no_member_lands_outside_of_the_context(tmp_path: Path) -> None:
    hostile = archives.archive(
        archives.link("out", "/"),
        archives.file("out/up", b"U"),
        archives.file("../../above", b"A"),
        archives.file("/absolute", b"R"),
    )
    (tmp_path / "context.tar").write_bytes(hostile.getvalue())
    context = opened("tar://context.tar", tmp_path)
    assert files(context) == {"up": "U", "above": "A", "absolute": "R"}
    assert {path.name for path in tmp_path.rglob("*") if not path.is_relative_to(context.root)} == {
        "context.tar", "root", "yadokari", "work", "fetched",
    }  # fmt: skip


def test_a_hard_link_out_of_the_context_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("S")
    hostile = archives.archive(archives.hard_link("mine", "../" * 20 + str(tmp_path / "secret")))
    (tmp_path / "context.tar").write_bytes(hostile.getvalue())
    with pytest.raises(ContextError, match="hard links lead out of the archive: /mine"):
        opened("tar://context.tar", tmp_path)


def test_no_name_means_that_a_file_is_removed(tmp_path: Path) -> None:
    members = archives.archive(
        archives.file("a", b"A"), archives.file(".wh.a", b"W"), archives.file(".wh..wh..opq", b"O")
    )
    (tmp_path / "context.tar").write_bytes(members.getvalue())
    assert files(opened("tar://context.tar", tmp_path)) == {"a": "A", ".wh.a": "W", ".wh..wh..opq": "O"}
