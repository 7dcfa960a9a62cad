import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.checksums import fingerprints_of
from yadokari_builder.layers.changes import Changes, compare, walk_key
from yadokari_builder.layers.fingerprints import Fingerprints
from yadokari_builder.layers.snapshot import settle, take
from yadokari_builder.rootfs.boundary import Boundary

Step = Callable[[Path], object]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("file", "dir/one", "dir/two", "dir/sub/deep", "linked/a", "excluded/x"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(name)
    os.link(tmp_path / "linked/a", tmp_path / "linked/b")
    (tmp_path / "link").symlink_to("dir/one")
    (tmp_path / "empty").mkdir()
    return tmp_path


def changes_of(root: Path, step: Step, known: Fingerprints | None = None) -> Changes:
    boundary = Boundary(root, frozenset({"/excluded", "/dir/mount"}))
    checksums = (known or fingerprints_of(root)).find
    before = take(boundary)
    settle(before)
    step(root)
    return compare(before, take(boundary), boundary, checksums)


def swapped(content: str) -> Step:
    """Rewrite a file in place with content of the same length, and set its time back."""

    def step(root: Path) -> None:
        status = (root / "file").stat()
        (root / "file").write_text(content)
        os.utime(root / "file", ns=(status.st_atime_ns, status.st_mtime_ns))

    return step


def do(*steps: Step) -> Step:
    """Take steps one after the other."""

    def step(root: Path) -> None:
        for each in steps:
            each(root)

    return step


def copied(name: str) -> Step:
    """Copy something beside itself with its times."""

    def step(root: Path) -> None:
        if (root / name).is_dir():
            shutil.copytree(root / name, root / f"{name}.copy", symlinks=True)
        else:
            shutil.copy2(root / name, root / f"{name}.copy")

    return step


def moved(copy: Step, name: str) -> Step:
    """Put a copy in the place of what it is of."""

    def step(root: Path) -> None:
        copy(root)
        if (root / name).is_dir():
            shutil.rmtree(root / name)
        (root / f"{name}.copy").rename(root / name)

    return step


CASES: dict[str, tuple[Step, Changes]] = {
    "nothing": (lambda root: None, Changes()),
    "a read": (lambda root: (root / "file").read_text(), Changes()),
    "an owner and modes that were so before": (
        do(
            lambda root: os.chown(root / "file", os.geteuid(), os.getegid()),
            lambda root: (root / "dir").chmod((root / "dir").stat().st_mode),
            lambda root: os.chown(root / "link", os.geteuid(), os.getegid(), follow_symlinks=False),
            lambda root: (root / "linked/a").chmod((root / "linked/a").stat().st_mode),
        ),
        Changes(),
    ),
    "a new file": (lambda root: (root / "dir/new").touch(), Changes(("/dir/new",))),
    "new content of the same size and time": (swapped("FILE"), Changes(("/file",))),
    "a mode": (lambda root: (root / "file").chmod(0o600), Changes(("/file",))),
    "a directory's mode": (lambda root: (root / "dir").chmod(0o700), Changes(("/dir",))),
    "a time": (lambda root: os.utime(root / "file", (1, 1)), Changes(("/file",))),
    "a directory's time": (lambda root: os.utime(root / "dir", (1, 1)), Changes(("/dir",))),
    "an attribute": (lambda root: os.setxattr(root / "file", "user.a", b"1"), Changes(("/file",))),
    "a directory's attribute": (lambda root: os.setxattr(root / "dir", "user.a", b"1"), Changes(("/dir",))),
    "a link's time": (
        lambda root: os.utime(root / "link", (1, 1), follow_symlinks=False),
        Changes(("/link",)),
    ),
    "a file that came and went": (
        do(lambda root: (root / "dir/tmp").touch(), lambda root: (root / "dir/tmp").unlink()),
        Changes(),
    ),
    "a deleted file": (lambda root: (root / "file").unlink(), Changes((), ("/file",))),
    "a deleted tree": (lambda root: shutil.rmtree(root / "dir"), Changes((), ("/dir",))),
    "a moved tree": (
        lambda root: (root / "dir").rename(root / "moved"),
        Changes(
            ("/moved", "/moved/one", "/moved/sub", "/moved/sub/deep", "/moved/two"),
            ("/dir",),
        ),
    ),
    "a file in a directory's place": (
        do(lambda root: shutil.rmtree(root / "dir"), lambda root: (root / "dir").touch()),
        Changes(("/dir",)),
    ),
    "a directory in a file's place": (
        do(
            lambda root: (root / "file").unlink(),
            lambda root: (root / "file").mkdir(),
            lambda root: (root / "file/x").touch(),
        ),
        Changes(("/file", "/file/x")),
    ),
    "a link in a directory's place": (
        do(
            lambda root: (root / "dir").rename(root / "other"),
            lambda root: (root / "dir").symlink_to("other"),
        ),
        Changes(("/dir", "/other", "/other/one", "/other/sub", "/other/sub/deep", "/other/two")),
    ),
    "a directory made anew": (
        do(
            lambda root: (root / "dir").rename(root / "old"),
            lambda root: (root / "dir").mkdir(),
            lambda root: (root / "dir/two").touch(),
            lambda root: shutil.rmtree(root / "old"),
        ),
        Changes(("/dir/two",), ("/dir/one", "/dir/sub")),
    ),
    "an empty directory made anew": (
        do(
            lambda root: (root / "empty").rename(root / "old"),
            lambda root: (root / "empty").mkdir(),
            lambda root: (root / "old").rmdir(),
        ),
        Changes(),
    ),
    "a directory's mode that was so before, after a file came": (
        do(
            lambda root: (root / "dir/new").touch(),
            lambda root: time.sleep(0.02),
            lambda root: (root / "dir").chmod((root / "dir").stat().st_mode),
        ),
        Changes(("/dir/new",)),
    ),
    "a directory's time in years to come": (
        lambda root: os.utime(root / "dir", (1 << 33, 1 << 33)),
        Changes(("/dir",)),
    ),
    "a copy with all metadata": (moved(copied("file"), "file"), Changes()),
    "a copy of a directory with all metadata": (moved(copied("dir"), "dir"), Changes()),
    "copies of a file with two names": (
        do(moved(copied("linked/a"), "linked/a"), moved(copied("linked/b"), "linked/b")),
        Changes(("/linked/b",)),
    ),
    "a copy of a file with two names": (
        do(
            moved(copied("linked/a"), "linked/a"),
            lambda root: (root / "linked/b").unlink(),
            lambda root: os.link(root / "linked/a", root / "linked/b"),
        ),
        Changes(),
    ),
    "a new link to an old file": (
        lambda root: os.link(root / "file", root / "again"),
        Changes(("/again", "/file")),
    ),
    "a third name of a file": (
        lambda root: os.link(root / "linked/b", root / "again"),
        Changes(("/again", "/linked/a", "/linked/b")),
    ),
    "a name for another": (
        lambda root: (root / "linked/b").rename(root / "linked/c"),
        Changes(("/linked/a", "/linked/c"), ("/linked/b",)),
    ),
    "a name in a folder that was moved": (
        do(
            lambda root: os.link(root / "dir/one", root / "one"),
            lambda root: (root / "dir/one").unlink(),
            lambda root: (root / "linked").rename(root / "moved"),
        ),
        Changes(("/moved", "/moved/a", "/moved/b", "/one"), ("/dir/one", "/linked")),
    ),
    "a copy in place of a hard link": (
        do(
            lambda root: (root / "linked/b").unlink(),
            lambda root: (root / "linked/b").write_text("linked/a"),
        ),
        Changes(("/linked/b",)),
    ),
    "a new link to an old file that got an attribute too": (
        do(
            lambda root: os.link(root / "file", root / "again"),
            lambda root: os.setxattr(root / "file", "user.a", b"1"),
        ),
        Changes(("/again", "/file")),
    ),
    "an attribute of a directory in which a file came and went": (
        do(
            lambda root: os.setxattr(root / "dir", "user.a", b"1"),
            lambda root: (root / "dir/tmp").touch(),
            lambda root: (root / "dir/tmp").unlink(),
        ),
        Changes(("/dir",)),
    ),
    "new content of the same size and time, and a new link": (
        do(swapped("FILE"), lambda root: os.link(root / "file", root / "again")),
        Changes(("/again", "/file")),
    ),
    "a hard link that went": (lambda root: (root / "linked/b").unlink(), Changes((), ("/linked/b",))),
    "a change of a file with two names": (
        lambda root: (root / "linked/b").write_text("changed"),
        Changes(("/linked/a", "/linked/b")),
    ),
    "what is excluded": (
        do(lambda root: (root / "excluded/new").touch(), lambda root: (root / "dir/mount").mkdir()),
        Changes(),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_changes_are_those_that_belong_in_a_layer(case: str, root: Path) -> None:
    step, expected = CASES[case]
    assert changes_of(root, step) == expected


def test_all_names_of_a_file_are_there_where_a_folder_with_one_was_moved(root: Path) -> None:
    os.link(root / "dir/one", root / "also")
    changes = changes_of(root, lambda root: (root / "dir").rename(root / "moved"))
    moved = ("/moved", "/moved/one", "/moved/sub", "/moved/sub/deep", "/moved/two")
    assert changes == Changes(("/also", *moved), ("/dir",))


def test_an_attribute_that_went_with_a_hard_link_is_a_change(root: Path) -> None:
    os.setxattr(root / "linked/a", "user.a", b"1")
    changes = changes_of(
        root,
        do(
            lambda root: os.removexattr(root / "linked/a", "user.a"),
            lambda root: (root / "linked/b").unlink(),
        ),
    )
    assert changes == Changes(("/linked/a",), ("/linked/b",))


def test_a_touched_file_of_which_nothing_is_known_has_changed(root: Path) -> None:
    changes = changes_of(root, lambda root: (root / "file").chmod(0o644), Fingerprints())
    assert changes == Changes(("/file",))


def test_a_target_of_a_changed_link_is_no_change(root: Path) -> None:
    def step(root: Path) -> None:
        (root / "link").unlink()
        (root / "link").symlink_to("dir/two")

    assert changes_of(root, step) == Changes(("/link",))


def test_a_directory_made_anew_within_the_same_inode_number_is_exact_too(root: Path) -> None:
    def step(root: Path) -> None:
        shutil.rmtree(root / "dir")
        (root / "dir").mkdir()
        (root / "dir/two").touch()

    changes = changes_of(root, step)
    assert changes == Changes(("/dir/two",), ("/dir/one", "/dir/sub"))


def test_a_link_with_another_target_of_the_same_length_and_time_is_a_change(root: Path) -> None:
    os.utime(root / "link", (1, 1), follow_symlinks=False)

    def step(root: Path) -> None:
        # Some file systems give it the inode of the old one, some do not.
        (root / "link").unlink()
        (root / "link").symlink_to("dir/two")
        os.utime(root / "link", (1, 1), follow_symlinks=False)

    assert changes_of(root, step) == Changes(("/link",))


def test_changes_are_in_the_order_of_a_walk(root: Path) -> None:
    def step(root: Path) -> None:
        for name in ("new", "new.d", "new-", "new d"):
            (root / name).mkdir()
            (root / name / "x").touch()

    changed = changes_of(root, step).changed
    assert changed == ("/new", "/new/x", "/new d", "/new d/x", "/new-", "/new-/x", "/new.d", "/new.d/x")
    assert list(changed) == sorted(changed, key=walk_key)


def test_no_changes_are_false() -> None:
    assert not Changes()
    assert Changes((), ("/a",))
