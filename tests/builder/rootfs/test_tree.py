import os
import shutil
import socket
from pathlib import Path

import pytest

from support.trees import deep_folder, describe
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.tree import clear, copy_tree, discard, empty

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in ("file", "dir/a", "dir/sub/b", "etc/hosts", "etc/passwd", "etc/ssl/cert", "yadokari/python"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (root / "outside").symlink_to(tmp_path)
    (root / "dir/up").symlink_to("..")
    os.link(root / "file", root / "dir/hard")
    os.setxattr(root / "file", "user.note", b"kept")
    for path in (root / "dir", root / "etc", root / "dir/sub"):
        os.utime(path, ns=(1, 123_456_789_012))
    (tmp_path / "neighbour").touch()
    return root


EXCLUDED = frozenset({"/yadokari", "/etc/hosts"})


def names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_clearing_leaves_what_is_excluded_and_the_way_there(tree: Path) -> None:
    clear(Boundary(tree, EXCLUDED))
    assert names(tree) == ["etc", "etc/hosts", "yadokari", "yadokari/python"]
    assert (tree.parent / "neighbour").exists()


@needs_root
def test_a_clone_is_the_same_in_everything(tree: Path, tmp_path: Path) -> None:
    os.mknod(tree / "null", 0o020666, os.makedev(1, 3))
    os.mkfifo(tree / "dir/fifo")
    os.chown(tree / "dir/a", 5, 6)
    (tree / "dir/a").chmod(0o6755)
    os.link(tree / "outside", tree / "outside-too", follow_symlinks=False)
    clone = tmp_path / "clone"
    clone.mkdir()
    copy_tree(str(tree), str(clone))
    assert describe(clone) == describe(tree)
    assert clone.stat().st_mtime_ns == tree.stat().st_mtime_ns


def test_holes_stay_holes_in_a_clone(tmp_path: Path) -> None:
    source, clone = tmp_path / "source", tmp_path / "clone"
    source.mkdir()
    clone.mkdir()
    with (source / "sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(1 << 30)
        file.write(b"end")
    copy_tree(str(source), str(clone))
    assert (clone / "sparse").stat().st_size == (1 << 30) + 3
    assert (clone / "sparse").stat().st_blocks == (source / "sparse").stat().st_blocks
    with (clone / "sparse").open("rb") as file:
        assert file.read(5) == b"begin"
        file.seek(1 << 30)
        assert file.read() == b"end"


def test_a_clone_has_no_sockets(tmp_path: Path) -> None:
    source = tmp_path / "s"
    source.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(source / "x"))
        (tmp_path / "d").mkdir()
        copy_tree(str(source), str(tmp_path / "d"))
    assert names(tmp_path / "d") == []


@pytest.mark.parametrize(("depth", "name"), [(2500, "a"), (100, "n" * 255)])
def test_a_tree_is_removed_however_deep_it_is(tmp_path: Path, depth: int, name: str) -> None:
    with deep_folder(tmp_path, depth, name) as deep:
        discard(str(deep))
        assert not deep.exists()


def test_what_is_kept_stays_with_the_way_there(tmp_path: Path) -> None:
    for name in ("a/b/kept", "a/b/gone", "a/c/gone", "d/kept", "e/f"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    empty(Boundary(tmp_path), "/", lambda path: path.endswith("/kept") or path == "/e")
    assert names(tmp_path) == ["a", "a/b", "a/b/kept", "d", "d/kept", "e"]


def test_an_excluded_name_is_nothing_elsewhere(tmp_path: Path) -> None:
    for name in ("a/b/proc", "a/proc/x", "proc/x"):
        (tmp_path / name).mkdir(parents=True)
    clear(Boundary(tmp_path, frozenset({"/proc", "/a/b/c/d"})))
    assert names(tmp_path) == ["proc", "proc/x"]


def test_a_clone_goes_its_own_way(tree: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    copy_tree(str(tree), str(clone))
    shutil.rmtree(tree)
    assert (clone / "dir/hard").read_text() == "file"
