import os
import tarfile
from pathlib import Path

import pytest

from support.verbs import run_verb


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "src").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / ".dockerignore").write_text("*.log\nsecret\n!src/kept.log\n")
    for name in ("a.log", "secret", "src/kept.log", "src/run"):
        (folder / name).write_text(name)
    (folder / "src/run").chmod(0o755)
    (folder / "src/link").symlink_to("/etc/passwd")
    return folder


def test_a_context_is_packed_as_it_is_without_what_is_ignored(context: Path, tmp_path: Path) -> None:
    done = run_verb("pack-context", str(context), str(tmp_path / "packed.tar"))
    assert done.code == 0, done
    with tarfile.open(tmp_path / "packed.tar") as archive:
        members = {member.name: member for member in archive}
        assert set(members) == {".dockerignore", "Dockerfile", "src", "src/kept.log", "src/link", "src/run"}
        assert (members["src/run"].mode, members["src/run"].uid, members["src/run"].uname) == (0o755, 0, "")
        assert members["src/link"].linkname == "/etc/passwd"
        content = archive.extractfile("src/run")
        assert content
        assert content.read() == b"src/run"


def test_what_no_context_holds_is_refused(context: Path, tmp_path: Path) -> None:
    os.mkfifo(context / "pipe")
    done = run_verb("pack-context", str(context), str(tmp_path / "packed.tar"))
    assert done.code == 14
    assert done.log == "error: pipe is neither a file, a folder nor a link: name it in .dockerignore\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["folder"], "pack-context takes a folder and a file: pack-context FOLDER FILE"),
        (["/nowhere", "x.tar"], "/nowhere is no folder: name the one that is to be the build context"),
        (["/", "/nowhere/x.tar", "--dockerfile", "/etc/hostname"], "/nowhere/x.tar"),
    ],
)
def test_what_cannot_be_packed_is_said(arguments: list[str], complaint: str) -> None:
    done = run_verb("pack-context", *arguments)
    assert done.code in (2, 14)
    assert complaint in done.log
    assert done.log.count("\n") == 1
