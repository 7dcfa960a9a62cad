"""A watched root looks the same whether all of it is walked over or only what was touched."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.churn import CHANGES, live, plant
from yadokari_builder.layers import snapshot
from yadokari_builder.layers.snapshot import take
from yadokari_builder.layers.watch import Watch
from yadokari_builder.rootfs.boundary import Boundary

LIVES_ON_AN_OVERLAY = """
import subprocess, sys
from pathlib import Path
from support.churn import live, plant

base = Path(sys.argv[1])
plant(base / "lower/root")
for name in ("upper", "work", "merged"):
    (base / name).mkdir(parents=True)
for seed in range(int(sys.argv[2])):
    options = f"lowerdir={base}/lower,upperdir={base}/upper/{seed},workdir={base}/work"
    (base / f"upper/{seed}").mkdir()
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, base / "merged"], check=True)
    live(base / "merged/root", seed)
    subprocess.run(["umount", base / "merged"], check=True)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    plant(root)
    return root


@pytest.fixture
def watch(root: Path) -> Iterator[Watch]:
    boundary = Boundary(root)
    watch = Watch(boundary, frozenset(), take(boundary), fewest=0)
    yield watch
    watch.close()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_each_change_is_seen(change: Callable[[Path], object], root: Path, watch: Watch) -> None:
    snapshot.settle(watch.snapshot)
    change(root)
    assert watch.take().directories == take(Boundary(root)).directories
    # And what comes later, in what the change has made, too.
    snapshot.settle(watch.snapshot)
    for folder, _, _ in os.walk(root):
        Path(folder, "later").touch()
    assert watch.take().directories == take(Boundary(root)).directories


def test_only_what_was_touched_is_looked_at_again(root: Path, watch: Watch) -> None:
    before = watch.snapshot.directories
    (root / "b/c/new").touch()
    after = watch.take().directories
    assert {path for path in after if after[path] is not before[path]} == {"/", "/b", "/b/c"}


def test_what_is_known_to_be_written_is_told_of_later_on(root: Path, watch: Watch) -> None:
    (root / "copied/below").mkdir(parents=True)
    (root / "copied/below/file").write_text("copied")
    watch.refresh(["/copied"])
    assert watch.snapshot.directories == take(Boundary(root)).directories
    (root / "copied/below/file").write_text("changed")
    assert watch.take().directories == take(Boundary(root)).directories


def test_more_than_the_kernel_keeps_is_walked_over(root: Path, watch: Watch) -> None:
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    names = [root / "z", root / "a/two"]
    for number in range(most + 2):
        os.utime(names[number % 2])
    (root / "b/d").write_text("after all that")
    assert watch.take().directories == take(Boundary(root)).directories
    (root / "b/d").write_text("and told of again")
    assert watch.take().directories == take(Boundary(root)).directories


def test_names_of_files_in_ignored_folders_have_all_walked_over(root: Path) -> None:
    (root / "cache").mkdir()
    os.link(root / "b/d", root / "cache/d")
    boundary = Boundary(root, frozenset({"/cache"}))
    with closing(Watch(boundary, frozenset({"/cache"}), take(boundary), fewest=0)) as watch:
        (root / "cache/d").write_text("by another name")
        assert watch.take().directories == take(boundary).directories


def test_ignored_paths_that_are_no_folders_of_the_root_are_no_hindrance(root: Path) -> None:
    (root / "link").symlink_to("/proc")
    ignored = frozenset({"/missing", "/z", "/b/link", "/link/self", "/z/below"})
    boundary = Boundary(root, ignored)
    with closing(Watch(boundary, ignored, take(boundary), fewest=0)) as watch:
        before = watch.snapshot.directories
        (root / "b/d").write_text("changed")
        after = watch.take().directories
        assert after == take(boundary).directories
        assert after["/a"] is before["/a"]


def test_ignored_paths_that_no_system_can_name_do_no_harm(root: Path) -> None:
    ignored = frozenset({f"/{'n' * 5000}"})
    boundary = Boundary(root, ignored)
    with closing(Watch(boundary, ignored, take(boundary), fewest=0)) as watch:
        (root / "b/d").write_text("changed")
        assert watch.take().directories == take(boundary).directories


def test_names_of_files_in_folders_that_are_ignored_when_they_come(root: Path) -> None:
    boundary = Boundary(root, frozenset({"/cache"}))
    with closing(Watch(boundary, frozenset({"/cache"}), take(boundary), fewest=0)) as watch:
        (root / "cache").mkdir()
        os.link(root / "b/d", root / "cache/d")
        watch.take()
        (root / "cache/d").write_text("by another name")
        assert watch.take().directories == take(boundary).directories


def test_names_of_files_in_ignored_folders_that_the_build_has_made(root: Path) -> None:
    boundary = Boundary(root, frozenset({"/cache"}))
    with closing(Watch(boundary, frozenset({"/cache"}), take(boundary), fewest=0)) as watch:
        (root / "cache").mkdir()
        (root / "copied").touch()
        watch.refresh(["/cache", "/copied"])
        os.link(root / "b/d", root / "cache/d")
        watch.take()
        (root / "cache/d").write_text("by another name")
        assert watch.take().directories == take(boundary).directories


def test_more_folders_than_are_told_of_are_walked_over_though_the_build_has_made_them(root: Path) -> None:
    boundary = Boundary(root)
    known = take(boundary)
    with closing(Watch(boundary, frozenset(), known, fewest=0, most=len(known.directories))) as watch:
        before = watch.take().directories
        assert watch.take().directories["/a"] is before["/a"]
        (root / "one-more").mkdir()
        watch.refresh(["/one-more"])
        before = watch.snapshot.directories
        (root / "b/d").write_text("changed")
        after = watch.take().directories
        assert after == take(boundary).directories
        assert after["/a"] is not before["/a"]


def test_where_the_kernel_gives_no_instance_all_is_walked_over(root: Path) -> None:
    boundary = Boundary(root)
    known = take(boundary)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    # Too many instances are refused by the same error.
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
    try:
        watch = Watch(boundary, frozenset(), known, fewest=0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    (root / "b/d").write_text("changed")
    assert watch.take().directories == take(boundary).directories
    watch.close()


@pytest.mark.long
@given(seed=st.integers(0, 2**32))
@settings(max_examples=20)
def test_whatever_happens_a_root_looks_as_if_all_was_walked_over(seed: int) -> None:
    with TemporaryDirectory() as folder:
        plant(Path(folder, "root"))
        live(Path(folder, "root"), seed)


@pytest.mark.long
def test_so_it_does_on_an_overlay(tmp_path: Path) -> None:
    trial = [sys.executable, "-c", LIVES_ON_AN_OVERLAY, str(tmp_path), "10"]
    subprocess.run(["unshare", "--mount", *trial], check=True, cwd=Path(__file__).parents[2])
