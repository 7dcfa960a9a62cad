"""A tree, and what programs do to trees."""

import ctypes
import mmap
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

from yadokari_builder.layers import snapshot
from yadokari_builder.layers.snapshot import FileMetadata, Snapshot, take
from yadokari_builder.layers.watch import Watch
from yadokari_builder.rootfs.boundary import Boundary

_LIBC = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def plant(root: Path) -> None:
    """Make a tree of files, folders, a link, and a file of two names."""
    for name in ("a/one", "a/two", "b/c/deep", "b/d", "e/f/g/h", "z"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (root / "b/link").symlink_to("c")
    os.link(root / "a/one", root / "e/f/other-name")


def _write_by_mapping(root: Path) -> None:
    with (root / "b/c/deep").open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[0:1] = b"X"


def _replace_a_directory(root: Path) -> None:
    shutil.rmtree(root / "e/f")
    (root / "e/f/g").mkdir(parents=True)
    (root / "e/f/g/h").write_text("another")


def _set_attribute(root: Path) -> None:
    os.setxattr(root / "b/c", "user.told", b"1")


def _put_back_times(root: Path) -> None:
    status = (root / "b/d").stat()
    (root / "b/d").write_text("D")
    os.utime(root / "b/d", ns=(status.st_atime_ns, status.st_mtime_ns))


def _write_to_what_is_open(root: Path) -> None:
    with (root / "b/d").open("a") as file:
        (root / "b/d").rename(root / "a/d")
        file.write("more")


def _make_and_leave(root: Path) -> None:
    (root / "a/folder/below").mkdir(parents=True)
    (root / "a/folder/below/file").touch()


def _link_into_a_new_folder(root: Path) -> None:
    (root / "n").mkdir()
    os.link(root / "b/c/deep", root / "n/m")


def _lead_a_link_elsewhere(root: Path) -> None:
    (root / "b/link").unlink()
    (root / "b/link").symlink_to("d")


def _write_by_a_passing_name(root: Path) -> None:
    os.link(root / "b/d", root / "a/passing")
    (root / "a/passing").write_text("by another name")
    (root / "a/passing").unlink()


def _write_by_a_name_in_a_passing_folder(root: Path) -> None:
    (root / "n").mkdir()
    os.link(root / "b/d", root / "n/passing")
    (root / "n/passing").write_text("by another name")
    shutil.rmtree(root / "n")


def exchange(one: Path, other: Path) -> None:
    """Have two files exchange their names (renameat2(2)), for which the standard library has no name."""
    if _LIBC.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one))


def _write_by_a_passing_name_that_is_exchanged(root: Path) -> None:
    os.link(root / "b/d", root / "a/passing")
    (root / "a/passing").write_text("by another name")
    exchange(root / "a/passing", root / "e/f/g/h")
    (root / "e/f/g/h").unlink()


CHANGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda root: None,
    "a file is written": lambda root: (root / "b/c/deep").write_text("other"),
    "a file is written by a mapping": _write_by_mapping,
    "a file is cut by its path": lambda root: os.truncate(root / "b/c/deep", 1),
    "a file is made": lambda root: (root / "e/f/g/new").touch(),
    "a file goes": lambda root: (root / "e/f/g/h").unlink(),
    "a file is moved": lambda root: (root / "b/d").rename(root / "e/f/d"),
    "a moved file is written to": _write_to_what_is_open,
    "a file's times are put back": _put_back_times,
    "a file gets another mode": lambda root: (root / "a/two").chmod(0o600),
    "a file of two names gets another mode": lambda root: (root / "a/one").chmod(0o600),
    "a name of a file goes": lambda root: (root / "a/one").unlink(),
    "a file gets a name in a new folder": _link_into_a_new_folder,
    "a file is written to by a passing name": _write_by_a_passing_name,
    "a file is written to by a name in a passing folder": _write_by_a_name_in_a_passing_folder,
    "a file is written to by a passing name that is exchanged": _write_by_a_passing_name_that_is_exchanged,
    "files exchange their names": lambda root: exchange(root / "b/d", root / "a/two"),
    "folders exchange their names": lambda root: exchange(root / "b/c", root / "e/f"),
    "a link is made": lambda root: (root / "b/c/link").symlink_to("nowhere"),
    "a link leads elsewhere": _lead_a_link_elsewhere,
    "a pipe is made": lambda root: os.mkfifo(root / "b/pipe"),
    "a folder gets another mode": lambda root: (root / "b/c").chmod(0o700),
    "a folder gets another time": lambda root: os.utime(root / "e/f/g", (1, 1)),
    "a folder gets an attribute": _set_attribute,
    "folders are made": _make_and_leave,
    "a folder goes": lambda root: shutil.rmtree(root / "e/f"),
    "a folder is replaced": _replace_a_directory,
    "a folder is moved": lambda root: (root / "b/c").rename(root / "e/c"),
    "a folder is read": lambda root: os.listdir(root / "b/c"),
    "a file is read": lambda root: (root / "b/c/deep").read_bytes(),
}


def churn(root: Path, chance: Random, times: int) -> None:
    """Do random things to a tree; what cannot be done is not."""
    for number in range(times):
        known = [root, *sorted(root.rglob("*"))]
        try:
            chance.choice(_ACTIONS)(chance.choice(known), chance.choice(known), number)
        except OSError:
            continue


def live(root: Path, seed: int) -> None:
    """Let random things happen in a tree that is watched; raises `AssertionError` where one is not seen."""
    chance = Random(seed)
    boundary = Boundary(root)
    with closing(Watch(boundary, frozenset(), take(boundary), fewest=0)) as watch:
        for _ in range(4):
            snapshot.settle(watch.snapshot)
            churn(root, chance, chance.randrange(1, 12))
            assert _seen(watch.take()) == _seen(take(boundary)), f"seed {seed}"


def _seen(taken: Snapshot) -> dict[str, list[tuple[bytes, FileMetadata]]]:
    """Return a snapshot without the change times of directories: to list one on an overlay may change it."""
    return {
        path: [
            (name, metadata._replace(ctime_ns=0) if metadata.is_directory else metadata)
            for name, metadata in directory
        ]
        for path, directory in taken.directories.items()
    }


def _map(one: Path, _: Path, number: int) -> None:
    with one.open("r+b") as file:
        file.truncate(8)
        with mmap.mmap(file.fileno(), 0) as mapped:
            mapped[0] = number % 256


def _make_again(one: Path, _: Path, number: int) -> None:
    if one.name in ("b", "f", "g"):
        shutil.rmtree(one)
        one.mkdir()
        (one / f"again{number}").touch()


def _move(one: Path, other: Path, number: int) -> None:
    # Where a folder moves all is walked over, which is not to be the common case.
    if not one.is_dir() or number % 7 == 0:
        one.rename(_new(other, number))


def _write_by_a_name_that_goes(one: Path, other: Path, number: int) -> None:
    name = _new(other, number)
    if number % 2:
        name.mkdir()
        name /= "x"
    os.link(one, name)
    with name.open("a") as file:
        file.write("x")
    name.unlink()


def _write_by_a_name_that_is_replaced(one: Path, other: Path, number: int) -> None:
    name = _new(other, number)
    os.link(one, name)
    name.chmod(0o640)
    name.with_name("spare").touch()
    name.with_name("spare").rename(name)


def _write_by_a_name_that_is_exchanged(one: Path, other: Path, number: int) -> None:
    name = _new(other, number)
    os.link(one, name)
    name.chmod(0o600)
    exchange(name, other)
    other.unlink()


def _new(beside: Path, number: int) -> Path:
    return (beside if beside.is_dir() else beside.parent) / f"n{number}"


_ACTIONS: tuple[Callable[[Path, Path, int], object], ...] = (
    lambda one, other, number: one.write_text(f"{number}"),
    lambda one, other, number: _new(one, number).write_text("new"),
    lambda one, other, number: _new(one, number).mkdir(),
    lambda one, other, number: (_new(one, number) / "deep/er").mkdir(parents=True),
    lambda one, other, number: one.unlink(),
    lambda one, other, number: shutil.rmtree(one) if one.name not in ("root", "a") else None,
    _make_again,
    _move,
    lambda one, other, number: one.replace(other) if not one.is_dir() else None,
    lambda one, other, number: os.link(one, _new(other, number)),
    lambda one, other, number: os.link(one, _new(other, number)),
    lambda one, other, number: _new(one, number).symlink_to(other),
    lambda one, other, number: one.chmod(0o700 + number % 64),
    lambda one, other, number: os.utime(one, (number, number)),
    lambda one, other, number: os.setxattr(one, "user.n", b"%d" % number),
    lambda one, other, number: os.truncate(one, number),
    _map,
    _write_by_a_name_that_goes,
    _write_by_a_name_that_is_replaced,
    _write_by_a_name_that_is_exchanged,
    lambda one, other, number: exchange(one, other) if not one.is_dir() else None,
    lambda one, other, number: [*one.rglob("*")],
    lambda one, other, number: one.read_bytes(),
)
