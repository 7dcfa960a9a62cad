import os
from pathlib import Path

import pytest

from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.run.mounts.apart import separate
from yadokari_builder.run.mounts.caches import CacheKey, CacheStore
from yadokari_builder.run.mounts.mounted import BindMount, CacheMount, mounted


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    cache = tmp_path / "cache"
    (cache / "deep").mkdir(parents=True)
    (cache / "file").write_text("good")
    os.chmod(cache / "file", 0o640)
    os.utime(cache / "file", ns=(5_000_000_001, 5_000_000_002))
    return cache


def test_a_file_that_is_linked_from_outside_becomes_two(tmp_path: Path, cache: Path) -> None:
    os.link(cache / "file", tmp_path / "outside")
    before = (tmp_path / "outside").stat()
    separate(str(cache))
    after, inside = (tmp_path / "outside").stat(), (cache / "file").stat()
    assert (after.st_ino, after.st_nlink) == (before.st_ino, 1)
    assert inside.st_ino != after.st_ino
    assert (inside.st_mode, inside.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    (tmp_path / "outside").write_text("bad")
    assert (cache / "file").read_text() == "good"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "outside"]


def test_names_of_one_file_inside_stay_so(tmp_path: Path, cache: Path) -> None:
    os.link(cache / "file", cache / "deep/second")
    inode = (cache / "file").stat().st_ino
    separate(str(cache))
    assert (cache / "deep/second").stat().st_ino == inode == (cache / "file").stat().st_ino
    os.link(cache / "file", tmp_path / "outside")
    separate(str(cache))
    assert (cache / "deep/second").stat().st_ino == (cache / "file").stat().st_ino != inode


def test_links_and_fifos_are_files_too(tmp_path: Path, cache: Path) -> None:
    (cache / "link").symlink_to("file")
    os.mkfifo(cache / "fifo")
    for name in ("link", "fifo"):
        os.link(cache / name, tmp_path / name, follow_symlinks=False)
    separate(str(cache))
    assert os.readlink(cache / "link") == "file"
    assert [(cache / name).lstat().st_nlink for name in ("link", "fifo")] == [1, 1]


def test_paths_too_long_to_be_opened_stop_nobody(cache: Path) -> None:
    here = os.open(cache, os.O_RDONLY)
    for _ in range(40):
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    separate(str(cache))


def test_what_a_step_links_into_the_root_is_not_the_caches_any_more(tmp_path: Path) -> None:
    (tmp_path / "root/app").mkdir(parents=True)
    (tmp_path / "root/app/own").write_text("own")
    store, boundary = CacheStore(str(tmp_path / "caches")), Boundary(tmp_path / "root")
    mounts = [CacheMount("/store", CacheKey("a"), store), CacheMount("/other", CacheKey("b"), store)]
    with mounted(mounts, boundary=boundary, shelter=str(tmp_path / "shelter")):
        root = tmp_path / "root"
        (root / "store/package").write_text("good")
        os.link(root / "store/package", root / "app/package")
        os.link(root / "store/package", root / "other/package")
        os.link(root / "app/own", root / "store/own")
    for name in ("package", "own"):
        (root / "app" / name).write_text("bad")
    with mounted(mounts, boundary=boundary, shelter=str(tmp_path / "shelter")):
        assert (root / "store/package").read_text() == (root / "other/package").read_text() == "good"
        assert (root / "store/own").read_text() == "own"
        (root / "other/package").write_text("bad")
        assert (root / "store/package").read_text() == "good"


def test_what_a_step_links_from_a_bind_mount_is_its_own(tmp_path: Path) -> None:
    def fill(place: str) -> None:
        os.mkdir(place)
        Path(place, "file").write_text("text")

    (tmp_path / "root/app").mkdir(parents=True)
    boundary = Boundary(tmp_path / "root")
    with mounted([BindMount("/source", fill)], boundary=boundary, shelter=str(tmp_path / "shelter")):
        os.link(tmp_path / "root/source/file", tmp_path / "root/app/file")
    assert (tmp_path / "root/app/file").stat().st_nlink == 1
    assert (tmp_path / "root/app/file").read_text() == "text"
