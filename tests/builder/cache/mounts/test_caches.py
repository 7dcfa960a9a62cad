"""Caches of steps that outlive the pod, on a volume and in a registry."""

import logging
import os
import threading
import time
from pathlib import Path

import pytest

from support.caches import MEGABYTE, Begin, Build, add, names
from support.trees import describe
from yadokari_builder.cache.mounts.places import Place, Shelf, Volume
from yadokari_builder.errors import CancelledError, RunError
from yadokari_builder.run.mounts.caches import CacheKey, CacheUse

LOCKED = CacheUse(CacheKey("apt"), "locked")
PRIVATE = CacheUse(CacheKey("own"), "private")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_what_one_build_leaves_the_next_one_finds(
    place: Place, begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        with begin(place) as build:
            assert add(build, f"file{number}") == [f"file{each}" for each in range(number)]
    assert warnings(caplog) == []


def test_a_cache_comes_back_as_it_was(place: Place, begin: Begin) -> None:
    with begin(place) as build, build.step(CacheKey("x", uid=5, gid=6, mode=0o750)) as (folder,):
        (folder / "folder/empty").mkdir(parents=True)
        (folder / "folder/file").write_bytes(b"content" * 1000)
        os.link(folder / "folder/file", folder / "linked")
        (folder / "link").symlink_to("/etc/passwd")
        # No layer could hold a file of such a name.
        (folder / ".wh.file").write_text("no whiteout")
        (folder / os.fsdecode(b"no\xffutf8\n")).touch(0o640)
        os.chown(folder / "linked", 1000, 1001)
        before = describe(folder, whole_seconds=True)
    with begin(place) as build, build.step(CacheKey("x", uid=5, gid=6, mode=0o750)) as (folder,):
        status = folder.stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (5, 6, 0o750)
        assert describe(folder, whole_seconds=True) == before


def test_what_is_no_file_stays_in_the_build(place: Place, begin: Begin) -> None:
    with begin(place) as build, build.step("x") as (folder,):
        (folder / "file").touch()
        os.mkfifo(folder / "pipe")
        os.mknod(folder / "device", 0o666 | 0o020000, os.makedev(1, 3))
    with begin(place) as build, build.step("x") as (folder,):
        assert names(folder) == ["file"]


def test_steps_of_one_build_share_a_cache(place: Place, begin: Begin) -> None:
    with begin(place) as build:
        assert add(build, "one") == []
        assert add(build, "two") == ["one"]


def test_a_cache_that_has_not_changed_is_not_put_again(volume: Volume, begin: Begin) -> None:
    with begin(volume) as build:
        add(build, "file")
    (kept,) = Path(volume.folder).iterdir()
    before = kept.stat()
    with begin(volume) as build, build.step("pip") as (folder,):
        (folder / "file").read_text()
        (folder / "passing").touch()
        (folder / "passing").unlink()
    assert kept.stat() == before
    with begin(volume) as build:
        add(build, "file")
    assert kept.stat() != before


def test_a_build_without_a_place_has_its_caches_to_itself(tmp_path: Path) -> None:
    with Build(tmp_path / "pod", None) as build:
        assert add(build, "one") == []
        assert add(build, "two") == ["one"]


def test_what_was_expected_is_there_when_the_step_wants_it(shelf: Shelf, begin: Begin) -> None:
    with begin(shelf) as build:
        add(build, "file")
    with begin(shelf) as build:
        build.caches.expect([CacheUse(CacheKey("pip")), CacheUse(CacheKey("other"))])
        assert add(build, "more") == ["file"]
        assert add(build, "more", "other") == []


@pytest.mark.parametrize("how", ["scope", "id", "content", "owner", "mode"])
def test_another_cache_is_another(place: Place, begin: Begin, how: str) -> None:
    with begin(place, scope="main") as build:
        add(build, "file")
    others = {
        "id": CacheKey("pip2"),
        "content": CacheKey("pip", content="sha256:0"),
        "owner": CacheKey("pip", uid=1),
        "mode": CacheKey("pip", mode=0o700),
    }
    with begin(place, scope="other" if how == "scope" else "main") as build:
        assert add(build, "x", others.get(how, CacheKey("pip"))) == []


def test_of_two_builds_at_once_the_last_one_counts(place: Place, begin: Begin) -> None:
    with begin(place) as first:
        assert add(first, "first") == []
        with begin(place) as second:
            assert add(second, "second") == []
    with begin(place) as build:
        assert add(build, "x") == ["first"]


def test_what_is_added_is_added_to_what_the_build_had_whoever_has_put_another_since(
    volume: Volume, begin: Begin
) -> None:
    with begin(volume) as build, build.step("pip") as (folder,):
        (folder / "large").write_bytes(os.urandom(MEGABYTE))
    with begin(volume) as first, first.step("pip") as (folder,):
        (folder / "first").touch()
        with begin(volume) as second, second.step("pip") as (other,):
            (other / "large").unlink()
            (other / "second").touch()
    with begin(volume) as build, build.step("pip") as (folder,):
        assert names(folder) == ["first", "large"]


def test_a_locked_cache_on_a_volume_is_one_builds_at_a_time(volume: Volume, begin: Begin) -> None:
    found: list[list[str]] = []

    def other_build() -> None:
        with begin(volume) as build:
            found.append(add(build, "second", LOCKED))

    other = threading.Thread(target=other_build)
    with begin(volume) as build:
        with build.step(LOCKED) as (folder,):
            other.start()
            other.join(0.3)
            assert other.is_alive()
            assert found == []
            (folder / "first").touch()
        other.join(30)
        assert found == [["first"]]
        # The other one's state is this one's by now.
        assert add(build, "third", LOCKED) == ["first", "second"]


def test_builds_that_lock_the_same_caches_do_not_wait_for_each_other_for_ever(
    volume: Volume, begin: Begin
) -> None:
    uses = [CacheUse(CacheKey(name), "locked") for name in ("a", "b")]
    ended = []

    def run(*wanted: CacheUse) -> None:
        with begin(volume) as build:
            for _ in range(5):
                with build.step(*wanted):
                    pass
        ended.append(wanted)

    threads = [threading.Thread(target=run, args=order) for order in (uses, uses[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(ended) == 2


def test_a_lock_ends_with_the_step_and_leaves_what_it_made_also_if_it_failed(
    volume: Volume, begin: Begin
) -> None:
    def fail(build: Build) -> None:
        with build.step(LOCKED) as (folder,):
            (folder / "file").touch()
            raise RunError("it failed", status=1)

    with begin(volume) as first:
        with pytest.raises(RunError):
            fail(first)
        with begin(volume) as second:
            assert add(second, "x", LOCKED) == ["file"]


def test_a_registry_has_no_locks_which_is_said_once(
    shelf: Shelf, begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with begin(shelf) as build:
        add(build, "one", LOCKED)
        with begin(shelf) as other:
            assert add(other, "two", LOCKED) == []
        add(build, "three", LOCKED)
    assert caplog.text.count("a registry has no locks") == 2
    with begin(shelf) as build:
        assert add(build, "x", LOCKED) == ["one", "three"]


def test_a_private_cache_is_in_no_registry(shelf: Shelf, begin: Begin) -> None:
    with begin(shelf) as build:
        build.caches.expect([PRIVATE])
        assert add(build, "one", PRIVATE) == []
        assert add(build, "two", PRIVATE) == ["one"]
    with begin(shelf) as build:
        assert add(build, "x", PRIVATE) == []


def test_a_private_cache_on_a_volume_is_new_for_whom_it_is_in_use_elsewhere(
    volume: Volume, begin: Begin
) -> None:
    with begin(volume) as build:
        add(build, "first", PRIVATE)
    with begin(volume) as build, begin(volume) as other:
        with build.step(PRIVATE) as (folder,):
            assert names(folder) == ["first"]
            other.caches.expect([PRIVATE])
            time.sleep(0.3)  # it has what it gets before its turn
            assert add(other, "lost", PRIVATE) == []
        assert add(other, "lost too", PRIVATE) == ["lost"]
    with begin(volume) as build:
        assert add(build, "x", PRIVATE) == ["first"]


def test_what_another_step_expects_of_a_private_cache_in_use_elsewhere_is_all_there(
    volume: Volume, begin: Begin
) -> None:
    with begin(volume) as build, build.step(PRIVATE) as (folder,):
        for number in range(300):
            (folder / f"{number:03}").touch()
    with begin(volume) as build, begin(volume) as other, build.step(PRIVATE):
        other.caches.expect([CacheUse(PRIVATE.key)])
        assert len(add(other, "lost", PRIVATE)) == 300
    with begin(volume) as build:
        assert len(add(build, "x", PRIVATE)) == 300


def end(build: Build, error: BaseException) -> None:
    with build:
        add(build, "file")
        raise error


def test_a_build_that_failed_at_a_step_keeps_its_caches(place: Place, begin: Begin) -> None:
    with pytest.raises(RunError):
        end(begin(place), RunError("another step failed", status=1))
    with begin(place) as build:
        assert add(build, "x") == ["file"]


@pytest.mark.parametrize("error", [CancelledError("it was asked to stop"), KeyboardInterrupt()])
def test_a_build_that_was_cancelled_keeps_nothing(place: Place, begin: Begin, error: BaseException) -> None:
    with pytest.raises(type(error)):
        end(begin(place), error)
    with begin(place) as build:
        assert add(build, "x") == []


def test_what_a_killed_build_left_half_written_is_no_hindrance_and_goes(volume: Volume, begin: Begin) -> None:
    with begin(volume) as build:
        add(build, "file")
    (kept,) = Path(volume.folder).iterdir()
    leftover = kept.with_name(".partial-old")
    leftover.write_bytes(b"half")
    recent = kept.with_name(".partial-new")
    recent.write_bytes(b"half")
    os.utime(leftover, (0, 0))
    with begin(volume) as build:
        assert add(build, "more") == ["file"]
    assert sorted(Path(volume.folder).iterdir()) == sorted([kept, recent])


def use_at(path: Path, seconds: int) -> None:
    """Let a file have been read and written then."""
    os.utime(path, (seconds, seconds))


def test_beyond_the_limit_what_was_used_least_recently_goes(
    place: Place, begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    limit = 3 * MEGABYTE + MEGABYTE // 2
    with begin(place, limit=limit) as build, build.step("x") as (folder,):
        for number, name in enumerate(("old", "older", "new", "newer"), 1):
            (folder / name).write_bytes(os.urandom(MEGABYTE))
            use_at(folder / name, 1_000_000_000 + number)
        use_at(folder / "older", 5)
    assert "without 1 files" in caplog.text
    with begin(place, limit=limit) as build, build.step("x") as (folder,):
        assert names(folder) == ["new", "newer", "old"]
        # What reading does where the file system notes it.
        os.utime(folder / "old", ns=(1_500_000_000 * 10**9, os.stat(folder / "old").st_mtime_ns))
        (folder / "newest").write_bytes(os.urandom(MEGABYTE))
    with begin(place, limit=limit) as build, build.step("x") as (folder,):
        assert names(folder) == ["newer", "newest", "old"]


def test_when_a_file_was_used_is_known_in_later_builds(volume: Volume, begin: Begin) -> None:
    with begin(volume) as build, build.step("x") as (folder,):
        (folder / "file").touch()
        os.utime(folder / "file", (1_500_000_000, 1_000_000_000))
    for number in range(3):
        with begin(volume) as build, build.step("x") as (folder,):
            status = (folder / "file").stat()
            assert (status.st_atime, status.st_mtime) == (1_500_000_000, 1_000_000_000)
            (folder / str(number)).touch()


def test_nobody_has_used_a_file_in_the_future(volume: Volume, begin: Begin) -> None:
    with begin(volume) as build, build.step("x") as (folder,):
        (folder / "file").touch()
        os.utime(folder / "file", (1 << 33, 1_000_000_000))
    with begin(volume) as build, build.step("x") as (folder,):
        assert 1_000_000_000 < (folder / "file").stat().st_atime <= time.time()


def test_that_a_file_is_packed_is_no_use_of_it(volume: Volume, begin: Begin) -> None:
    use = CacheUse(CacheKey("x"), "locked")
    with begin(volume) as build:
        with build.step(use) as (folder,):
            (folder / "file").write_bytes(b"content")
            use_at(folder / "file", 1_000_000_000)
        with build.step(use) as (folder,):
            assert (folder / "file").stat().st_atime == 1_000_000_000


def test_a_file_that_never_fits_goes_alone(volume: Volume, begin: Begin) -> None:
    with begin(volume, limit=MEGABYTE) as build, build.step("x") as (folder,):
        (folder / "small").write_text("x")
        (folder / "large").write_bytes(bytes(2 * MEGABYTE))
        with (folder / "endless").open("wb") as file:
            os.truncate(file.fileno(), 1 << 40)
        use_at(folder / "small", 1)
    with begin(volume, limit=MEGABYTE) as build, build.step("x") as (folder,):
        assert names(folder) == ["small"]


def test_nothing_but_folders_beyond_the_limit_is_not_kept(
    volume: Volume, begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    with begin(volume, limit=10_000) as build, build.step("x") as (folder,):
        for number in range(30):
            (folder / str(number)).mkdir()
    assert warnings(caplog) == ["the cache x is not kept for other builds: its folders alone are too many"]
