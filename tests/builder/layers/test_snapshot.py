import os
import shutil
import sys
from pathlib import Path

import pytest

from yadokari_builder.layers.snapshot import FileMetadata, Snapshot, refreshed, settle, take
from yadokari_builder.rootfs.boundary import Boundary


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in ("a", "b/c/deep", "b/d", "z"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (root / "b/link").symlink_to("c")
    return root


def entries(snapshot: Snapshot, path: str) -> dict[str, FileMetadata]:
    return {os.fsdecode(name): metadata for name, metadata in snapshot.directories[path]}


def test_every_entry_is_in_a_snapshot_with_its_metadata(tree: Path) -> None:
    snapshot = take(Boundary(tree))
    assert set(snapshot.directories) == {"/", "/b", "/b/c"}
    assert len(snapshot) == 7
    below = entries(snapshot, "/b")
    assert list(below) == ["c", "d", "link"]
    status = (tree / "b/d").stat()
    assert below["d"].inode == status.st_ino
    assert below["d"].mtime_ns == status.st_mtime_ns
    assert below["c"].is_directory
    assert not below["link"].is_directory
    assert snapshot.directories["/b"].directory_names() == ["c"]


def test_names_are_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    names = [b"\xff", "é".encode(), "\uffff".encode(), "\U00010000".encode(), b"a b", b"a", b"a.b", b"A"]
    for name in names:
        Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).touch()
    found = entries(take(Boundary(tmp_path)), "/")
    assert [os.fsencode(name) for name in found] == sorted(names)


def test_paths_are_found_wherever_they_lie(tree: Path) -> None:
    snapshot = take(Boundary(tree))
    everything = {
        f"{path.rstrip('/')}/{name}": metadata
        for path in snapshot.directories
        for name, metadata in entries(snapshot, path).items()
    }
    assert snapshot.find(everything) == everything
    assert snapshot.find(["/", "/missing", "/missing/below"]) == {}


def test_nothing_excluded_is_in_a_snapshot(tree: Path) -> None:
    snapshot = take(Boundary(tree, frozenset({"/b/c", "/a"})))
    assert list(entries(snapshot, "/")) == ["b", "z"]
    assert list(entries(snapshot, "/b")) == ["d", "link"]
    assert "/b/c" not in snapshot.directories


def test_times_before_the_epoch_are_told_apart(tree: Path) -> None:
    os.utime(tree / "a", ns=(-1, -1))
    before = entries(take(Boundary(tree)), "/")["a"]
    os.utime(tree / "a", ns=(-2, -2))
    assert entries(take(Boundary(tree)), "/")["a"].mtime_ns == before.mtime_ns - 1


def test_a_change_after_settling_has_another_stamp(tree: Path) -> None:
    for number in range(20):
        (tree / "a").write_text("x")
        snapshot = take(Boundary(tree))
        settle(snapshot)
        (tree / "a").write_text("y")
        os.utime(tree / "a", ns=(number, number))
        assert (tree / "a").stat().st_ctime_ns > snapshot.newest_ns


def test_a_stamp_of_another_clock_is_not_waited_for() -> None:
    settle(Snapshot({}, 2**63))


def test_an_entry_takes_about_a_hundred_bytes(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"a-name-of-some-length-{number}").touch()
    (directory,) = take(Boundary(tmp_path)).directories.values()
    assert sys.getsizeof(directory.joined_names) + sys.getsizeof(directory.numbers) < 300 * 110


class TestRefreshed:
    @pytest.mark.parametrize("paths", [["/b/d"], ["/b/new/x/y", "/z"], ["/b"], ["/a", "/b/c", "/new"], ["/"]])
    def test_what_changed_at_known_places_is_as_in_a_new_snapshot(self, paths: list[str], tree: Path) -> None:
        boundary = Boundary(tree, frozenset({"/b/excluded"}))
        (tree / "b/excluded").mkdir()
        before = take(boundary)
        for path in paths:
            host = tree / path[1:]
            host.parent.mkdir(parents=True, exist_ok=True)
            if host.is_dir() and host != tree:
                shutil.rmtree(host)
            if host != tree:
                host.mkdir() if not host.exists() else host.write_text("changed")
            (tree / "b/excluded").mkdir(parents=True, exist_ok=True)
        after = take(boundary)
        again = refreshed(before, boundary, paths)
        assert dict(again.directories) == dict(after.directories)
        assert again.newest_ns >= after.newest_ns

    def test_a_tree_that_is_gone_is_gone(self, tree: Path) -> None:
        before = take(Boundary(tree))
        shutil.rmtree(tree / "b")
        again = refreshed(before, Boundary(tree), ["/b/c/deep"])
        assert dict(again.directories) == dict(take(Boundary(tree)).directories)

    def test_the_old_snapshot_stays_as_it_is(self, tree: Path) -> None:
        before = take(Boundary(tree))
        (tree / "new").touch()
        refreshed(before, Boundary(tree), ["/new"])
        assert "new" not in entries(before, "/")
