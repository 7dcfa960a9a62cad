import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from yadokari_builder.run.mounts.caches import CacheKey, CacheStore

KEY = CacheKey("id")


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[str]:
    """A folder of another filesystem than the places where caches go."""
    shm = Path("/dev/shm")
    if os.geteuid() != 0 or not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs root and a second filesystem at /dev/shm")
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        yield folder


def use(store: CacheStore, place: Path, name: str, sharing: str = "shared") -> list[str]:
    """What a cache holds; a file is added."""
    try:
        with store.lent(KEY, str(place), sharing=sharing):
            found = sorted(os.listdir(place))
            (place / name).write_text(name)
        return found
    finally:
        # A mount's work folder goes with what a store left of it.
        if place.exists():
            for file in place.iterdir():
                file.unlink()
            place.rmdir()


def test_a_cache_on_a_volume_is_kept(volume: str, tmp_path: Path) -> None:
    assert use(CacheStore(volume), tmp_path / "a", "first") == []
    assert use(CacheStore(volume), tmp_path / "b", "second") == ["first"]
    assert use(CacheStore(volume), tmp_path / "c", "third") == ["first", "second"]


def test_a_volume_is_whole_while_a_cache_is_lent(volume: str, tmp_path: Path) -> None:
    use(CacheStore(volume), tmp_path / "a", "first")
    with CacheStore(volume).lent(KEY, str(tmp_path / "b")):
        (tmp_path / "b/first").unlink()
        assert use(CacheStore(volume), tmp_path / "c", "other") == ["first"]
    assert use(CacheStore(volume), tmp_path / "d", "x") == []


def test_what_a_killed_build_left_half_done_is_no_hindrance(volume: str, tmp_path: Path) -> None:
    use(CacheStore(volume), tmp_path / "a", "first")
    for leftover in (".new", ".old"):
        Path(volume, KEY.directory + leftover).mkdir()
        Path(volume, KEY.directory + leftover, "half").touch()
    assert use(CacheStore(volume), tmp_path / "b", "second") == ["first"]
    assert sorted(os.listdir(Path(volume, KEY.directory))) == ["first", "second"]


def test_a_private_cache_in_use_is_not_given_to_another(volume: str, tmp_path: Path) -> None:
    use(CacheStore(volume), tmp_path / "a", "first")
    with CacheStore(volume).lent(KEY, str(tmp_path / "b"), sharing="private"):
        assert use(CacheStore(volume), tmp_path / "c", "lost", "private") == []
    assert use(CacheStore(volume), tmp_path / "d", "second", "private") == ["first"]


def test_a_locked_cache_makes_others_wait(volume: str, tmp_path: Path) -> None:
    with (
        CacheStore(volume).lent(KEY, str(tmp_path / "b"), sharing="locked"),
        open(Path(volume, KEY.directory + ".lock")) as lock,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
