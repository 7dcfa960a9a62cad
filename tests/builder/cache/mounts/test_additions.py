"""Caches on volumes and in registries: where little of one has changed, that alone is packed and put."""

import os
import shutil
import struct
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pytest

from support.caches import MEGABYTE, Begin, names
from support.trees import Described, describe, names_below
from yadokari_builder.cache.mounts.bundle import unpack_bundle
from yadokari_builder.cache.mounts.contents import Contents
from yadokari_builder.cache.mounts.places import MOST_ARCHIVES, Kept, Place


@pytest.fixture(autouse=True)
def _filled(place: Place, begin: Begin) -> None:
    """A cache that is kept already."""
    with begin(place) as build, build.step("pip") as (folder,):
        (folder / "large").write_bytes(os.urandom(MEGABYTE))
        for name in ("one", "two"):
            (folder / name).mkdir()
            for number in range(3):
                (folder / name / f"file{number}").write_text(f"{name} {number}")
                os.utime(folder / name / f"file{number}", (1, 1))
        (folder / "link").symlink_to("one")
        os.link(folder / "one/file0", folder / "two/linked")


def change(place: Place, begin: Begin, what: Callable[[Path], object]) -> list[int]:
    """Have a build change the cache, and the next one find it so; returns the bytes of each archive then."""
    left: dict[str, Described] = {}
    with begin(place) as build, build.step("pip") as (folder,):
        what(folder)
        left = describe(folder, whole_seconds=True)
    with begin(place) as build:
        name = build.name("pip")
        with build.step("pip") as (folder,):
            assert _without_times_of_folders(describe(folder, whole_seconds=True)) == (
                _without_times_of_folders(left)
            )
    with kept_of(place, name) as kept:
        return [_size(archive) for archive in kept.archives][::-1]


def _size(archive: BinaryIO) -> int:
    with archive:
        return sum(map(len, iter(lambda: archive.read(MEGABYTE), b"")))


def kept_of(place: Place, name: str) -> closing[Kept]:
    """What a place has of a cache."""
    kept = place.find(name)
    assert kept
    return closing(kept)


def _without_times_of_folders(tree: dict[str, Described]) -> dict[str, Described]:
    return {path: it._replace(mtime=0) if it.mode.startswith("0o4") else it for path, it in tree.items()}


def replace(path: Path, text: str) -> None:
    """Replace a file by one of the same time, as who unpacks archives does."""
    path.unlink()
    path.write_text(text)
    os.utime(path, (1, 1))


def replace_and_add(folder: Path) -> None:
    replace(folder / "one/file1", "ONE 1")
    (folder / "new").touch()


def write_deep(folder: Path) -> None:
    (folder / "one/deep/deeper").mkdir(parents=True, mode=0o700)
    (folder / "one/deep/deeper/new").write_text("new")


def note_at_a_folder(folder: Path) -> None:
    (folder / "new").touch()
    os.setxattr(folder / "one", "user.note", b"of a folder in which nothing else has changed")


def become_another_kind(folder: Path) -> None:
    (folder / "one/file1").unlink()
    (folder / "one/file1").mkdir()
    (folder / "one/file1/inside").touch()
    (folder / "link").unlink()
    (folder / "link").write_text("a file now")


@pytest.mark.parametrize(
    "what",
    [
        lambda folder: (folder / "one/file1").write_text("other content"),
        replace_and_add,
        lambda folder: (folder / "one/file1").unlink(),
        lambda folder: (folder / "one/file1").rename(folder / "two/renamed"),
        lambda folder: (folder / "one/file0").write_text("both names"),
        lambda folder: (folder / "one/file0").unlink(),
        lambda folder: (folder / "new").symlink_to("x"),
        lambda folder: (folder / "one").chmod(0o700),
        lambda folder: (folder / "one/file1").chmod(0o755),
        lambda folder: os.chown(folder / "one/file1", 5, 6),
        write_deep,
        note_at_a_folder,
        become_another_kind,
    ],
    ids=[
        *(
            "content",
            "same size and time",
            "deleted",
            "renamed",
            "linked",
            "first name deleted",
            "link",
            "mode of a folder",
            "mode",
        ),
        *("owner", "new folders", "attribute of a folder", "another kind"),
    ],
)
def test_what_little_has_changed_is_added(place: Place, begin: Begin, what: Callable[[Path], object]) -> None:
    whole, added = change(place, begin, what)
    assert added < whole / 100


@pytest.mark.parametrize(
    "what",
    [
        lambda folder: shutil.rmtree(folder / "one"),
        lambda folder: (folder / "link").unlink(),
        lambda folder: (folder / "more").write_bytes(os.urandom(MEGABYTE // 8)),
    ],
    ids=["a folder is gone", "a link is gone", "it is much"],
)
def test_otherwise_all_is_packed_again(place: Place, begin: Begin, what: Callable[[Path], object]) -> None:
    assert len(change(place, begin, what)) == 1


@pytest.mark.long
def test_a_cache_is_in_few_archives_however_often_it_changes(place: Place, begin: Begin) -> None:
    def one_more(folder: Path) -> None:
        (folder / f"new{len(names(folder))}").touch()

    numbers = [len(change(place, begin, one_more)) for _ in range(MOST_ARCHIVES + 1)]
    assert numbers == [*range(2, MOST_ARCHIVES + 1), 1, 2]


def test_what_is_beyond_the_limit_goes_from_earlier_archives(place: Place, begin: Begin) -> None:
    with begin(place) as build, build.step("pip") as (folder,):
        before = {*names_below(folder)}
    with begin(place, limit=MEGABYTE + 16 * 512) as build, build.step("pip") as (folder,):
        (folder / "new").touch()
        for path in folder.glob("*/file*"):
            os.utime(path, (2, 1) if path.name == "file1" else (3, 1))
        (folder / "large").read_bytes()
    with begin(place) as build:
        with kept_of(place, build.name("pip")) as kept:
            assert kept.number == 2
        with build.step("pip") as (folder,):
            assert {*names_below(folder)} == (before | {"new"}) - {"one/file1", "two/file1"}


def test_what_was_unpacked_is_known_as_a_look_at_it_would_tell(
    tmp_path: Path, place: Place, begin: Begin
) -> None:
    with begin(place) as build, build.step("pip") as (folder,):
        (folder / "one/file1").write_text("changed")
        (folder / "one/suid").touch()
        os.chown(folder / "one/suid", 5, 6)
        (folder / "one/suid").chmod(0o4755)
        (folder / "two/read only").touch(0o444)
        (folder / "closed").mkdir(0o2755)
        os.setxattr(folder / "two/file1", "user.note", b"x")
    with kept_of(place, build.name("pip")) as kept:
        state = unpack_bundle(kept.archives, str(tmp_path / "again"), 100 * MEGABYTE, lambda: None)
    assert state == Contents.of(str(tmp_path / "again")).state


def test_of_a_file_of_two_names_one_is_left_where_the_other_is_too_much(place: Place, begin: Begin) -> None:
    with begin(place, limit=MEGABYTE + 18 * 512) as build, build.step("pip") as (folder,):
        (folder / "new").touch()
        for path in folder.glob("[!l]*/file*"):
            if path != folder / "one/file0":
                os.utime(path, (3, 1))
        (folder / "large").read_bytes()
    with begin(place) as build, build.step("pip") as (folder,):
        assert not (folder / "one/file0").exists()
        assert (folder / "two/linked").read_text() == "one 0"


def link_once_more(name: str, folder: Path) -> None:
    os.link(folder / "one/file0", folder / name)


def test_a_file_gets_one_name_after_the_other(place: Place, begin: Begin) -> None:
    for name in ("two/before linked", "a", "z"):
        archives = change(place, begin, partial(link_once_more, name))
    assert len(archives) == 4


@pytest.mark.parametrize(
    ("before", "remove"),
    [(os.mkdir, os.rmdir), (lambda path: os.symlink("one", path), os.unlink)],
    ids=["folder", "link"],
)
def test_what_was_in_the_place_of_a_deleted_file_stays_away(
    place: Place, begin: Begin, before: Callable[[Path], object], remove: Callable[[Path], object]
) -> None:
    def become_a_file(folder: Path) -> None:
        (folder / "file").touch()
        remove(folder / "new")
        (folder / "file").rename(folder / "new")

    change(place, begin, lambda folder: before(folder / "new"))
    change(place, begin, become_a_file)
    assert len(change(place, begin, lambda folder: (folder / "new").unlink())) == 4


def test_both_names_of_a_link_are_left(place: Place, begin: Begin) -> None:
    change(place, begin, lambda folder: os.link(folder / "link", folder / "same", follow_symlinks=False))
    assert len(change(place, begin, lambda folder: (folder / "new").touch())) == 3


def test_what_earlier_archives_have_takes_no_default_acl_of_its_folder(place: Place, begin: Begin) -> None:
    entries = [(1, 7, -1), (2, 5, 7), (4, 5, -1), (16, 7, -1), (32, 0, -1)]  # acl(5): user 7 may read
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)

    def give_acl(folder: Path) -> None:
        (folder / "one/deep").mkdir()
        (folder / "one/deep/file").touch()
        os.setxattr(folder / "one", "system.posix_acl_default", acl)
        (folder / "one/inherits").touch()

    change(place, begin, give_acl)
    change(place, begin, lambda folder: (folder / "one/new").touch())
    change(place, begin, lambda folder: (folder / "one/newer").touch())
