import os
from collections.abc import Callable
from pathlib import Path

import pytest

from yadokari_builder.errors import ContextError
from yadokari_builder.sources.seal import Seal, settled_now
from yadokari_builder.sources.selection import select
from yadokari_builder.sources.tree import SourceTree

Change = Callable[[Path], object]
CHANGES: dict[str, Change] = {
    "written": lambda top: (top / "d/file").write_text("other"),
    "written, with its time put back": lambda top: rewrite(top / "d/file"),
    "made": lambda top: (top / "d/new").write_text("new"),
    "deleted": lambda top: (top / "d/file").unlink(),
    "moved into its place": lambda top: os.rename(top / "spare", top / "d/file"),
    "a folder moved into its place": lambda top: swap(top),
    "linked": lambda top: os.link(top / "d/file", top.parent / "elsewhere"),
    "given away": lambda top: os.chown(top / "d/file", 1, 1),
    "opened to others": lambda top: (top / "d/file").chmod(0o777),
    "noted on": lambda top: os.setxattr(top / "d/file", "user.note", b"x"),
    "a link that leads elsewhere": lambda top: relink(top / "link", "e"),
}


def rewrite(path: Path) -> None:
    times = path.stat()
    path.write_text("xxxx")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def relink(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def swap(top: Path) -> None:
    os.rename(top / "d", top / "old")
    os.rename(top / "e", top / "d")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    for folder in ("d", "e"):
        (top / folder).mkdir(parents=True)
        (top / folder / "file").write_text(folder)
    (top / "spare").write_text("spare")
    (top / "link").symlink_to("d")
    return top


def take(top: Path, path: str, seal: Seal) -> list[str]:
    return [chosen.path for chosen in select(SourceTree(top, seal=seal), path)]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_was_changed_is_not_taken(top: Path, change: Change) -> None:
    seal = Seal("stage 0", settled_now())
    assert take(top, "/link", seal) == ["/d", "/d/file"]
    change(top)
    with pytest.raises(ContextError, match="of stage 0 is not what it was"):
        take(top, "/link", seal)
    with pytest.raises(ContextError, match="of stage 0 is not what it was"):
        seal.require_below(str(top))


def test_what_is_changed_elsewhere_hinders_nobody(top: Path) -> None:
    seal = Seal("stage 0", settled_now())
    (top / "e/file").write_text("other")
    (top / "beside").write_text("new")
    assert take(top, "/d", seal) == ["/d", "/d/file"]


def test_what_is_as_it_was_is_taken_whole(top: Path) -> None:
    seal = Seal("stage 0", settled_now())
    seal.require_below(str(top))
    assert len(take(top, "/", seal)) == 7
