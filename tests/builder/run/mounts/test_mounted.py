import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from yadokari_builder.errors import RunError
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.run.mounts.caches import CacheKey, CacheStore
from yadokari_builder.run.mounts.files import FileMount
from yadokari_builder.run.mounts.mounted import BindMount, CacheMount, Mount, TmpfsMount, mounted

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners can be set by root only")

Listing = dict[str, tuple[int, ...]]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    for folder in ("etc", "var/cache", "tmp"):
        (tree / folder).mkdir(parents=True)
    (tree / "var/cache/old").write_text("old")
    (tree / "etc/file").write_text("own")
    for path in [tree, *tree.rglob("*")]:
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return tree


@pytest.fixture
def shelter(tmp_path: Path) -> Iterator[str]:
    shelter = tmp_path / "shelter"
    yield str(shelter)
    assert not shelter.exists() or list(shelter.iterdir()) == []


@pytest.fixture
def caches(tmp_path: Path) -> CacheStore:
    return CacheStore(str(tmp_path / "caches"))


def listing(tree: Path, *, ctime: bool = False) -> Listing:
    """What a snapshot would compare of every path."""
    found = {}
    for path in [tree, *sorted(tree.rglob("*"))]:
        state = path.lstat()
        found["/" + str(path.relative_to(tree)).removeprefix(".")] = (
            state.st_ino, state.st_mode, state.st_uid, state.st_gid, state.st_size, state.st_mtime_ns,
            *((state.st_ctime_ns,) if ctime else ()),
        )  # fmt: skip
    return found


def changed(before: Listing, after: Listing) -> list[str]:
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def fill_folder(place: str) -> None:
    os.mkdir(place)
    Path(place, "inside").write_text("inside")


def fill_file(place: str) -> None:
    Path(place).write_text("content")


def run_and_fail(mount: Mount, tree: Path, shelter: str) -> None:
    with mounted([mount], boundary=Boundary(tree), shelter=shelter):
        (tree / "c/package").write_text("package")
        raise RunError("it failed", status=1)


def all_types(caches: CacheStore) -> list[Mount]:
    return [
        BindMount("/src", fill_folder),
        BindMount("/etc/file", fill_file),
        BindMount("/new/folder/file", fill_file),
        CacheMount("/var/cache", CacheKey("/var/cache"), caches),
        TmpfsMount("/var/cache/apt"),
        FileMount("/run/secrets/token", b"secret"),
    ]


def test_mounts_stand_where_they_are_wanted_and_nothing_of_them_is_left(
    tree: Path, shelter: str, caches: CacheStore
) -> None:
    before = listing(tree)
    with mounted(all_types(caches), boundary=Boundary(tree), shelter=shelter):
        assert (tree / "src/inside").read_text() == "inside"
        assert (tree / "etc/file").read_text() == "content"
        assert (tree / "new/folder/file").read_text() == "content"
        assert [path.name for path in (tree / "var/cache").iterdir()] == ["apt"]
        assert (tree / "run/secrets/token").read_bytes() == b"secret"
    assert listing(tree) == before


def test_what_the_mounts_disturbed_is_told_and_nothing_else_has_another_ctime(
    tree: Path, shelter: str, caches: CacheStore
) -> None:
    before = listing(tree, ctime=True)
    with mounted(all_types(caches), boundary=Boundary(tree), shelter=shelter) as placed:
        pass
    assert set(changed(before, listing(tree, ctime=True))) <= set(placed.disturbed)
    assert placed.disturbed == ["/", "/etc", "/etc/file", "/var", "/var/cache"]


def test_the_times_of_directories_do_not_show_mounts_to_the_step(tree: Path, shelter: str) -> None:
    with mounted([BindMount("/etc/new", fill_file)], boundary=Boundary(tree), shelter=shelter):
        assert (tree / "etc").stat().st_mtime == 1_000_000_000


def test_a_directory_that_the_step_changed_itself_is_not_called_untouched(tree: Path, shelter: str) -> None:
    mounts = [BindMount("/etc/new", fill_file), BindMount("/var/cache/new", fill_file)]
    with mounted(mounts, boundary=Boundary(tree), shelter=shelter) as placed:
        (tree / "etc/beside").write_text("of the step")
        changed_at = (tree / "etc").stat().st_mtime_ns
        os.chmod(tree / "var/cache", 0o700)
    assert placed.disturbed == ["/", "/var"]
    assert (tree / "etc").stat().st_mtime_ns == changed_at
    assert stat.S_IMODE((tree / "var/cache").stat().st_mode) == 0o700


def test_made_parents_stay_with_what_a_step_put_beside_the_mount(tree: Path, shelter: str) -> None:
    with mounted([FileMount("/run/secrets/token", b"x")], boundary=Boundary(tree), shelter=shelter):
        (tree / "run/kept").write_text("kept")
    assert sorted(str(path.relative_to(tree / "run")) for path in (tree / "run").rglob("*")) == ["kept"]


def test_writes_to_a_bind_mount_are_discarded(tree: Path, shelter: str) -> None:
    before = listing(tree)
    for _ in range(2):
        with mounted([BindMount("/src", fill_folder)], boundary=Boundary(tree), shelter=shelter):
            assert os.listdir(tree / "src") == ["inside"]
            (tree / "src/more").write_text("more")
    assert listing(tree) == before


def test_a_cache_is_kept_for_later_steps(tree: Path, shelter: str, caches: CacheStore) -> None:
    mount = CacheMount("/var/cache", CacheKey("id"), caches)
    with mounted([mount], boundary=Boundary(tree), shelter=shelter):
        assert os.listdir(tree / "var/cache") == []
        (tree / "var/cache/package").write_text("package")
    assert os.listdir(tree / "var/cache") == ["old"]
    elsewhere = CacheMount("/elsewhere", CacheKey("id"), caches)
    with mounted([elsewhere], boundary=Boundary(tree), shelter=shelter):
        assert os.listdir(tree / "elsewhere") == ["package"]
    assert not (tree / "elsewhere").exists()


def test_caches_of_other_ownership_or_content_are_other_caches(
    tree: Path, shelter: str, caches: CacheStore
) -> None:
    with mounted([CacheMount("/c", CacheKey("id"), caches)], boundary=Boundary(tree), shelter=shelter):
        (tree / "c/file").write_text("x")
    other = CacheKey("id", uid=10, gid=20, mode=0o700)
    with mounted([CacheMount("/c", other, caches)], boundary=Boundary(tree), shelter=shelter):
        state = (tree / "c").stat()
        assert os.listdir(tree / "c") == []
        assert (state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode)) == (10, 20, 0o700)
    with mounted(
        [CacheMount("/c", CacheKey("id", "stage"), caches, fill_folder)],
        boundary=Boundary(tree),
        shelter=shelter,
    ):
        assert os.listdir(tree / "c") == ["inside"]


def test_initial_content_is_put_into_a_cache_once(tree: Path, shelter: str, caches: CacheStore) -> None:
    mount = CacheMount("/c", CacheKey("id", "stage"), caches, fill_folder)
    with mounted([mount], boundary=Boundary(tree), shelter=shelter):
        os.unlink(tree / "c/inside")
    with mounted([mount], boundary=Boundary(tree), shelter=shelter):
        assert os.listdir(tree / "c") == []


def test_a_cache_that_the_step_removed_is_empty_the_next_time(
    tree: Path, shelter: str, caches: CacheStore
) -> None:
    mount = CacheMount("/c", CacheKey("id"), caches)
    with mounted([mount], boundary=Boundary(tree), shelter=shelter):
        os.rmdir(tree / "c")
    with mounted([mount], boundary=Boundary(tree), shelter=shelter):
        assert os.listdir(tree / "c") == []
    assert not (tree / "c").exists()


def test_a_cache_is_kept_when_the_step_fails(tree: Path, shelter: str, caches: CacheStore) -> None:
    mount = CacheMount("/c", CacheKey("id"), caches)
    with pytest.raises(RunError, match="it failed"):
        run_and_fail(mount, tree, shelter)
    assert not (tree / "c").exists()
    with mounted([mount], boundary=Boundary(tree), shelter=shelter):
        assert os.listdir(tree / "c") == ["package"]


def test_a_cache_twice_in_one_step_is_refused(tree: Path, shelter: str, caches: CacheStore) -> None:
    mounts = [CacheMount("/a", CacheKey("id"), caches), CacheMount("/b", CacheKey("id"), caches)]
    before = listing(tree)
    with (
        pytest.raises(RunError, match="the cache id is mounted twice"),
        mounted(mounts, boundary=Boundary(tree), shelter=shelter),
    ):
        pass
    assert listing(tree) == before


def test_cache_directories_are_named_safely_whatever_the_id() -> None:
    names = {
        CacheKey(name).directory for name in ("/root/.cache", "../..", "a/b", "a-b", "", "é" * 300, "\udcff")
    }
    assert len(names) == 7
    assert not any("/" in name or name.startswith(".") or len(name) > 60 for name in names)


def test_a_tmpfs_is_empty_and_has_the_mode_of_what_it_covers(tree: Path, shelter: str) -> None:
    os.chmod(tree / "var/cache", 0o711)
    with mounted([TmpfsMount("/var/cache"), TmpfsMount("/new")], boundary=Boundary(tree), shelter=shelter):
        assert os.listdir(tree / "var/cache") == []
        assert stat.S_IMODE((tree / "var/cache").stat().st_mode) == 0o711
        assert stat.S_IMODE((tree / "new").stat().st_mode) == 0o1777
        (tree / "new/file").write_text("gone")
    assert not (tree / "new").exists()


def test_a_file_has_its_owner_and_mode_and_does_not_show_its_content(tree: Path, shelter: str) -> None:
    mount = FileMount("/secret", b"hidden", uid=5, gid=6, mode=0o440)
    with mounted([mount], boundary=Boundary(tree), shelter=shelter):
        state = (tree / "secret").stat()
        assert (state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode)) == (5, 6, 0o440)
    assert "hidden" not in repr(mount)


@pytest.mark.parametrize("how", [os.rename, os.link])
def test_a_step_that_leads_a_secret_away_fails(tree: Path, shelter: str, how: object) -> None:
    assert callable(how)
    with (
        pytest.raises(RunError, match="/run/secrets/token: device or resource busy"),
        mounted([FileMount("/run/secrets/token", b"x")], boundary=Boundary(tree), shelter=shelter),
    ):
        how(tree / "run/secrets/token", tree / "stolen")
    assert not (tree / "run").exists()


@pytest.mark.parametrize("how", [os.rename, os.link])
def test_nothing_of_a_secret_is_where_a_step_has_led_it(
    tree: Path, shelter: str, caches: CacheStore, how: Callable[[Path, Path], None]
) -> None:
    mounts: list[Mount] = [CacheMount("/c", CacheKey("id"), caches), FileMount("/c/secret", b"hidden")]
    with (
        pytest.raises(RunError, match="/c/secret: device or resource busy"),
        mounted(mounts, boundary=Boundary(tree), shelter=shelter),
    ):
        how(tree / "c/secret", tree / "c/stolen")
    with mounted(mounts[:1], boundary=Boundary(tree), shelter=shelter):
        assert (tree / "c/stolen").read_bytes() == b""


def test_a_program_that_is_mounted_can_be_run(tree: Path, shelter: str) -> None:
    script = FileMount("/script", b"#!/bin/sh\necho ran\n", mode=0o755)
    with mounted([script], boundary=Boundary(tree), shelter=shelter):
        assert subprocess.check_output([tree / "script"]) == b"ran\n"


def test_a_step_that_moves_a_cache_away_fails(tree: Path, shelter: str, caches: CacheStore) -> None:
    with (
        pytest.raises(RunError, match="/var/cache: device or resource busy"),
        mounted([CacheMount("/var/cache", CacheKey("id"), caches)], boundary=Boundary(tree), shelter=shelter),
    ):
        os.rename(tree / "var/cache", tree / "var/moved")
    assert os.listdir(tree / "var/cache") == ["old"]


def test_a_parent_that_became_a_link_leads_nowhere(tree: Path, shelter: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "cache").write_text("not ours")
    with mounted([BindMount("/var/cache", fill_file)], boundary=Boundary(tree), shelter=shelter):
        os.rename(tree / "var", tree / "moved")
        (tree / "var").symlink_to(outside)
    assert (outside / "cache").read_text() == "not ours"
    assert os.listdir(tree / "moved/cache") == ["old"]


def test_links_on_the_way_stay_in_the_root(tree: Path, shelter: str, tmp_path: Path) -> None:
    (tree / "link").symlink_to("/etc")
    with mounted([BindMount("/link/new", fill_file)], boundary=Boundary(tree), shelter=shelter):
        assert (tree / "etc/new").read_text() == "content"
    assert not (tree / "etc/new").exists()


def test_the_root_is_no_target(tree: Path, shelter: str) -> None:
    with (
        pytest.raises(RunError, match=r'invalid mount target "/x/\.\."'),
        mounted([TmpfsMount("/x/..")], boundary=Boundary(tree), shelter=shelter),
    ):
        pass


def test_a_target_below_a_file_is_refused(tree: Path, shelter: str) -> None:
    before = listing(tree)
    with (
        pytest.raises(RunError, match="cannot mount at /etc/file/x: not a directory"),
        mounted([TmpfsMount("/etc/file/x")], boundary=Boundary(tree), shelter=shelter),
    ):
        pass
    assert listing(tree) == before


@pytest.mark.parametrize("target", ["/loop", "/loop/x", f"/{'n' * 256}"])
def test_a_target_that_leads_nowhere_is_the_dockerfiles_fault(tree: Path, shelter: str, target: str) -> None:
    (tree / "loop").symlink_to("loop")
    before = listing(tree)
    with (
        pytest.raises(RunError, match=f"cannot mount at {target}: (too many links|file name too long)"),
        mounted([TmpfsMount(target)], boundary=Boundary(tree), shelter=shelter),
    ):
        pass
    assert listing(tree) == before


def test_what_is_put_aside_is_not_copied(tree: Path, shelter: str, caches: CacheStore) -> None:
    (tree / "var/cache/file").touch()
    before = (tree / "var/cache/file").stat().st_ino
    with mounted(
        [CacheMount("/var/cache", CacheKey("id"), caches)], boundary=Boundary(tree), shelter=shelter
    ) as placed:
        pass
    assert (tree / "var/cache/file").stat().st_ino == before
    assert placed.disturbed == ["/", "/var", "/var/cache"]


FOREIGN = frozenset({"/yadokari", "/proc", "/dev", "/dev/shm", "/etc/hosts", "/workspace"})


@pytest.mark.parametrize(
    ("target", "foreign"),
    [
        ("/yadokari", "/yadokari"),
        ("/yadokari/lib/new", "/yadokari"),
        ("/proc/1/cwd", "/proc"),
        ("/dev", "/dev"),
        ("/dev/shm/x", "/dev/shm"),
        ("/etc/hosts", "/etc/hosts"),
        ("/workspace/x", "/workspace"),
        ("/linked/lib", "/yadokari"),
        ("/var/up/yadokari", "/yadokari"),
        ("/last", "/etc/hosts"),
    ],
)
def test_a_target_where_the_executor_or_a_mount_is_is_refused_whatever_leads_there(
    tree: Path, shelter: str, caches: CacheStore, target: str, foreign: str
) -> None:
    for path in ("yadokari/lib", "proc/1", "dev/shm", "workspace"):
        (tree / path).mkdir(parents=True)
    (tree / "etc/hosts").write_text("")
    (tree / "linked").symlink_to("/yadokari")
    (tree / "var/up").symlink_to("../..")
    (tree / "last").symlink_to("etc/hosts")
    before = listing(tree)
    boundary = Boundary(tree, FOREIGN)
    for mount in (TmpfsMount(target), FileMount(target, b"x"), CacheMount(target, CacheKey("id"), caches)):
        with (
            pytest.raises(RunError, match=rf"cannot mount at {target}.*: {foreign} is the executor's own or"),
            mounted([mount], boundary=boundary, shelter=shelter),
        ):
            pass
    assert listing(tree) == before


def test_a_tmpfs_where_shared_memory_is_needs_no_place(tree: Path, shelter: str) -> None:
    (tree / "dev/shm").mkdir(parents=True)
    (tree / "dev/shm/kept").touch()
    with mounted([TmpfsMount("/dev/shm")], boundary=Boundary(tree, FOREIGN), shelter=shelter):
        assert (tree / "dev/shm/kept").exists()


def test_a_target_among_the_devices_is_taken(tree: Path, shelter: str) -> None:
    (tree / "dev").mkdir()
    mount = FileMount("/dev/pipes/EOF", b"x")
    with mounted([mount], boundary=Boundary(tree, FOREIGN), shelter=shelter):
        assert (tree / "dev/pipes/EOF").read_bytes() == b"x"
    assert list((tree / "dev").iterdir()) == []
