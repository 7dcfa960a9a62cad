import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.trees import describe
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.relocate import merge, move, move_contents, restore_contents
from yadokari_builder.rootfs.tree import discard


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder of another filesystem."""
    shm = Path("/dev/shm")
    if os.geteuid() != 0 or not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs root and a second filesystem at /dev/shm")
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        yield Path(folder)


def make_tree(tree: Path) -> None:
    (tree / "folder/deep").mkdir(parents=True)
    (tree / "folder/file").write_text("content")
    os.chown(tree / "folder/file", 5, 6)
    os.chmod(tree / "folder/file", 0o4755)
    os.chmod(tree / "folder", 0o1770)
    (tree / "link").symlink_to("nowhere")
    os.mkfifo(tree / "pipe", 0o640)
    os.mknod(tree / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.setxattr(tree / "folder/file", "security.capability", bytes.fromhex("0100000200040000" + "00" * 12))
    for path in [*tree.rglob("*"), tree]:
        os.utime(path, ns=(10**18, 10**18 + 5), follow_symlinks=False)


def description(tree: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for path in [tree, *tree.rglob("*")]:
        state = path.lstat()
        found[str(path.relative_to(tree))] = (
            state.st_mode, state.st_uid, state.st_gid, state.st_rdev, state.st_mtime_ns,
            os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else "",
            {name: os.getxattr(path, name, follow_symlinks=False)
             for name in os.listxattr(path, follow_symlinks=False)},
        )  # fmt: skip
    return found


def test_a_tree_is_renamed_where_that_can_be(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    inode = (tmp_path / "a").stat().st_ino
    assert move(str(tmp_path / "a"), str(tmp_path / "b")) == [""]
    assert (tmp_path / "b").stat().st_ino == inode


def test_a_tree_goes_to_another_filesystem_and_back_as_it_is(tmp_path: Path, elsewhere: Path) -> None:
    tree = tmp_path / "tree"
    make_tree(tree)
    before = description(tree)
    moved = move(str(tree), str(elsewhere / "tree"))
    assert sorted(moved) == [
        "", "/folder", "/folder/deep", "/folder/file", "/link", "/null", "/pipe",
    ]  # fmt: skip
    assert not tree.exists()
    assert description(elsewhere / "tree") == before
    move(str(elsewhere / "tree"), str(tree))
    assert description(tree) == before


def test_what_is_there_is_removed_whatever_it_is(tmp_path: Path) -> None:
    (tmp_path / "folder/below").mkdir(parents=True)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "kept").mkdir()
    for name in ("folder", "file", "link", "nothing"):
        discard(str(tmp_path / name))
    assert os.listdir(tmp_path) == ["kept"]


def test_a_missing_source_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        move(str(tmp_path / "gone"), str(tmp_path / "target"))


def test_names_of_one_file_stay_names_of_one_file_on_another_filesystem(
    tmp_path: Path, elsewhere: Path
) -> None:
    (tmp_path / "tree/folder").mkdir(parents=True)
    (tmp_path / "tree/a").write_text("content")
    os.link(tmp_path / "tree/a", tmp_path / "tree/folder/b")
    move(str(tmp_path / "tree"), str(elsewhere / "tree"))
    assert os.path.samefile(elsewhere / "tree/a", elsewhere / "tree/folder/b")


def test_contents_move_and_what_is_excluded_stays(tmp_path: Path) -> None:
    make_tree(tmp_path / "root")
    (tmp_path / "root/etc/ssl").mkdir(parents=True)
    (tmp_path / "root/etc/hosts").touch()
    before = describe(tmp_path / "root")
    (tmp_path / "root/ours/stage").mkdir(parents=True)
    boundary = Boundary(tmp_path / "root", frozenset({"/ours", "/etc/hosts"}))
    move_contents(boundary, str(tmp_path / "root/ours/stage"))
    del before["etc/hosts"]
    assert describe(tmp_path / "root/ours/stage") == before
    assert sorted(os.listdir(tmp_path / "root")) == ["etc", "ours"]
    assert os.listdir(tmp_path / "root/etc") == ["hosts"]


NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


@pytest.mark.long
@given(
    files=st.dictionaries(PATHS, st.sampled_from([None, "content", "-> a", "-> /c/a"]), max_size=9),
    excluded=st.sets(PATHS.map(lambda path: f"/{path}"), max_size=2),
)
@settings(max_examples=200, deadline=None)
def test_what_was_moved_out_of_a_root_can_be_restored(
    files: dict[str, str | None], excluded: set[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        root.mkdir()
        plant(root, files)
        Path(folder, "aside").mkdir()
        boundary = Boundary(root, frozenset(excluded))
        # What is mounted is there, whatever the build does to its root.
        for path in excluded:
            plant(root, {path[1:]: None})
        before = describe(root)
        move_contents(boundary, f"{folder}/aside")
        assert all(
            boundary.is_excluded(f"/{path}") or f"/{path}" in boundary.above for path in describe(root)
        )
        assert not any(boundary.is_excluded(f"/{path}") for path in describe(Path(folder, "aside")))
        restore_contents(boundary, f"{folder}/aside")
        assert describe(root) == before
        assert os.listdir(f"{folder}/aside") == []


def plant(root: Path, files: dict[str, str | None]) -> None:
    for name, content in sorted(files.items()):
        path = root / name
        above = [each for each in path.parents if each != root and each.is_relative_to(root)]
        if os.path.lexists(path) or any(each.is_symlink() or each.is_file() for each in above):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir(mode=0o711)
        elif content.startswith("-> "):
            path.symlink_to(content[3:])
        else:
            path.write_text(content)
        os.utime(path, ns=(10**18, 10**18 + 5), follow_symlinks=False)


def test_merging_keeps_what_both_have_as_it_is(tmp_path: Path) -> None:
    source, destination = tmp_path / "source", tmp_path / "destination"
    (source / "both/empty").mkdir(parents=True)
    (source / "both/new").mkdir(mode=0o711)
    (source / "both/empty/file").write_text("new")
    (source / "both/file").write_text("new")
    (destination / "both/empty").mkdir(parents=True, mode=0o700)
    (destination / "both/empty").chmod(0o700)
    (destination / "both/file").write_text("old")
    merge(str(source), str(destination))
    assert (destination / "both/file").read_text() == "new"
    assert (destination / "both/empty/file").read_text() == "new"
    modes = [stat.S_IMODE((destination / "both" / name).stat().st_mode) for name in ("empty", "new")]
    assert modes == [0o700, 0o711]
    assert os.listdir(source) == []


OVERLAY = """
import os, subprocess, sys
from pathlib import Path
from yadokari_builder.run.mounts.caches import CacheKey, CacheStore
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.run.mounts.files import FileMount
from yadokari_builder.run.mounts.mounted import CacheMount, mounted
from yadokari_builder.errors import RunError

base = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", base], check=True)
for name in ("lower/var/cache/sub", "upper", "work", "root"):
    (base / name).mkdir(parents=True)
(base / "lower/var/cache/sub/file").write_text("old")
subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
    f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work", base / "root"], check=True)
root = base / "root"
boundary = Boundary(root)
caches = CacheStore(str(root / "hidden/caches"))
mount = CacheMount("/var/cache", CacheKey("c"), caches)
for expected in ([], ["new"]):
    with mounted([mount], boundary=boundary, shelter=str(root / "hidden/shelter")) as placed:
        assert os.listdir(root / "var/cache") == expected
        (root / "var/cache/new").write_text("new")
    assert os.listdir(root / "var/cache") == ["sub"], os.listdir(root / "var/cache")
    assert (root / "var/cache/sub/file").read_text() == "old"
    print(placed.disturbed)
with mounted([mount], boundary=boundary, shelter=str(root / "hidden/shelter")):
    os.unlink(root / "var/cache/new")
    os.rmdir(root / "var/cache")
try:
    with mounted([mount], boundary=boundary, shelter=str(root / "hidden/shelter")):
        os.rename(root / "var/cache", root / "moved")
except RunError as error:
    print(error)
"""


def test_directories_of_lower_layers_can_be_mount_targets(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    shown = subprocess.run(
        ["unshare", "--mount", sys.executable, "-c", OVERLAY, tmp_path],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert shown.stderr == ""
    assert shown.stdout.splitlines() == [
        "['/', '/var', '/var/cache', '/var/cache/sub', '/var/cache/sub/file']",
        "['/', '/var', '/var/cache']",
        "/var/cache: device or resource busy: the step moved or linked a mount's content elsewhere",
    ]
