"""Digests of a context's files that are remembered: nothing that has changed is taken for what it was."""

import hashlib
import logging
import mmap
import os
import re
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.registry import Registry
from support.site import Site
from yadokari_builder.cache.layout import Layout
from yadokari_builder.cache.steps.content import Hashing
from yadokari_builder.cache.steps.entry import Entry, Trace, format_entry
from yadokari_builder.cache.steps.folder import FolderStore
from yadokari_builder.cache.steps.key import name_of_digests
from yadokari_builder.cache.steps.known import KnownDigests
from yadokari_builder.errors import UsageError
from yadokari_builder.oci.platform import Platform
from yadokari_builder.plan.steps import LocalFiles
from yadokari_builder.sources.tree import SourceTree

HOUR_NS = 3600 * 10**9
# Some file that nobody has changed for a minute.
OLD = Path("/bin/sh").resolve()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(str(tmp_path / "cache"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "context"
    root.mkdir()
    for name in ("a", "b"):
        (root / name).write_text(name)
    (root / "large").write_bytes(b"x" * (1 << 19))
    return root


def later() -> int:
    """Tell the time in an hour, when files of now have settled."""
    return time.time_ns() + HOUR_NS


def digest(tree: Path, known: KnownDigests | None) -> str:
    with Hashing(known) as hashing:
        return hashing.digest(SourceTree(tree), LocalFiles("/"), None)


def remember(tree: Path, layout: Layout, clock: Callable[[], int] = later) -> str:
    known = KnownDigests(layout, clock)
    found = digest(tree, known)
    known.keep()
    return found


def known_of(tree: Path, layout: Layout) -> set[str]:
    known = KnownDigests(layout)
    return {path.name for path in tree.iterdir() if found(path, known)}


def found(path: Path, known: KnownDigests) -> bytes | None:
    with path.open("rb") as file:
        return known.find(file.fileno())


def test_what_is_known_is_not_read(tree: Path, layout: Layout) -> None:
    before = remember(tree, layout)
    assert before == digest(tree, None)
    assert known_of(tree, layout) == {"a", "b", "large"}
    assert digest(tree, KnownDigests(layout)) == before
    (Path(layout.path) / "context-digests").unlink()
    lie(tree / "a", KnownDigests(layout, later))
    assert digest(tree, KnownDigests(layout)) != before


def lie(path: Path, known: KnownDigests) -> str:
    with path.open("rb") as file:
        known.note(file.fileno(), bytes(32))
    return known.keep()


def write(path: Path) -> None:
    """Write other content of the same size, and set the time back."""
    status = path.stat()
    path.write_text("c")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace(path: Path) -> None:
    """Put another file of the same size and time there."""
    status = path.stat()
    path.with_name("new").write_text("c")
    os.utime(path.with_name("new"), ns=(status.st_atime_ns, status.st_mtime_ns))
    path.with_name("new").rename(path)


def add_attribute(path: Path) -> None:
    os.setxattr(path, "user.note", b"c")


@pytest.mark.parametrize("change", [write, replace, add_attribute])
def test_what_has_changed_is_read(change: Callable[[Path], None], tree: Path, layout: Layout) -> None:
    before = remember(tree, layout)
    time.sleep(0.05)  # longer than stamps are coarse
    change(tree / "a")
    now = digest(tree, KnownDigests(layout))
    assert now != before
    assert now == digest(tree, None)
    assert known_of(tree, layout) == {"b", "large"}


def test_what_is_written_through_a_mapping_is_read(tree: Path, layout: Layout) -> None:
    remember(tree, layout)
    settle(tree)
    write_through(tree / "a", "c")
    assert digest(tree, KnownDigests(layout)) == digest(tree, None)
    assert known_of(tree, layout) == {"b", "large"}


def test_files_in_memory_are_not_remembered(layout: Layout) -> None:
    with TemporaryDirectory(dir="/dev/shm") as folder:
        Path(folder, "file").write_text("file")
        remember(Path(folder), layout)
        lie(Path(folder, "file"), KnownDigests(layout, later))
        assert known_of(Path(folder), layout) == set()


def settle(folder: Path) -> None:
    """Wait until what is changed from now on has another time."""
    probe = folder.parent / "probe"
    probe.touch()
    first = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == first:
        os.utime(probe)


def write_back(path: Path, text: str) -> None:
    """Write, and set the time back to what it was."""
    status = path.stat()
    path.write_text(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def write_through(path: Path, text: str) -> None:
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 1) as mapped:
        mapped[:1] = text[:1].encode()


def write_anew(path: Path, text: str) -> None:
    """Give another file the name, which may get the inode, too."""
    status = path.stat()
    path.unlink()
    path.write_text(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def swap(path: Path, other: Path) -> None:
    path.rename(path.with_name("held"))
    other.rename(path)
    path.with_name("held").rename(other)


def move_over(path: Path, other: Path) -> None:
    shutil.copy2(other, other.with_name("copy"))
    other.with_name("copy").rename(path)


def link_over(path: Path, other: Path) -> None:
    os.link(other, other.with_name("link"))
    other.with_name("link").replace(path)


def copy_over(path: Path, other: Path) -> None:
    shutil.copyfile(other, path)
    shutil.copystat(other, path)


names = st.sampled_from(["a", "b", "c"])
writings = st.tuples(
    st.sampled_from([write_back, write_through, write_anew, append]), names, st.sampled_from(["x", "y"])
)
moves = st.tuples(
    st.sampled_from([swap, move_over, link_over, copy_over]),
    st.permutations(["a", "b", "c"]).map(lambda it: (it[0], it[1])),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.lists(writings | moves, max_size=4), st.booleans()), min_size=2, max_size=5))
def test_however_files_are_edited_their_digests_are_as_if_nothing_was_known(
    rounds: list[tuple[list[Any], bool]],
) -> None:
    with TemporaryDirectory() as folder:
        tree, layout = Path(folder, "context"), Layout(str(Path(folder, "cache")))
        tree.mkdir()
        for name in ("a", "b", "c"):
            (tree / name).write_text(name)
        for edits, is_late in rounds:
            for edit, *given_to in edits:
                perform(tree, edit, *given_to)
            assert remember(tree, layout, later if is_late else time.time_ns) == digest(tree, None)
            if is_late:
                settle(tree)


def perform(tree: Path, edit: Callable[[Path, Any], None], *given_to: Any) -> None:
    if len(given_to) == 1:
        ((path, other),) = given_to
        if not (tree / path).samefile(tree / other):
            edit(tree / path, tree / other)
    else:
        edit(tree / given_to[0], given_to[1])


def test_what_has_changed_of_late_is_not_remembered(tree: Path, layout: Layout) -> None:
    remember(tree, layout, time.time_ns)
    assert known_of(tree, layout) == set()
    assert not Path(layout.path).exists()


def test_what_has_attributes_is_not_remembered(tree: Path, layout: Layout) -> None:
    add_attribute(tree / "a")
    assert remember(tree, layout) == digest(tree, KnownDigests(layout))
    assert known_of(tree, layout) == {"b", "large"}


def test_other_contexts_stay_known(tree: Path, layout: Layout, tmp_path: Path) -> None:
    remember(tree, layout)
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").write_text("file")
    remember(other, layout)
    assert known_of(tree, layout) == {"a", "b", "large"}
    assert known_of(other, layout) == {"file"}


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[70] ^= 1
    path.write_bytes(bytes(data))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_folder(path: Path) -> None:
    path.unlink()
    (path / "below").mkdir(parents=True)


def make_device(path: Path) -> None:
    path.unlink()
    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))  # zeros without end


def make_huge(path: Path) -> None:
    os.truncate(path, 8 << 40)


def make_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    "damage", [cut_off, spoil, empty, make_pipe, make_folder, make_device, make_huge, make_link]
)
def test_damage_costs_a_warning_and_reading(
    damage: Callable[[Path], None], tree: Path, layout: Layout, caplog: pytest.LogCaptureFixture
) -> None:
    before = remember(tree, layout)
    (path,) = Path(layout.path).iterdir()
    damage(path)
    assert digest(tree, KnownDigests(layout)) == before
    (record,) = caplog.records
    assert record.getMessage().startswith("cache: digests of the context are left out: ")
    remember(tree, layout)
    caplog.clear()
    assert known_of(tree, layout) == {"a", "b", "large"}
    assert not caplog.records


def build(registry: Registry, folder: Path, layout: Layout, **fields: Any) -> int:
    """Build with a folder for a cache, from the folder of `OLD`; tells how many steps were cached."""
    site = Site(folder, registry.host)
    given = {"context": str(OLD.parent), "dockerfile": str(site.context / "Dockerfile"), "cache": True}
    given |= {"cache_copy_layers": True, "cache_repo": f"oci:{layout.path}"}
    text = f"FROM scratch\nCOPY {OLD.name} /\n"
    return site.session(text, **(given | fields)).run().cached


def test_a_build_remembers_what_it_has_read_of_its_context(
    registry: Registry, layout: Layout, tmp_path: Path
) -> None:
    content = hashlib.sha256(OLD.read_bytes()).digest()
    build(registry, tmp_path / "first", layout)
    assert found(OLD, KnownDigests(layout)) == content
    assert build(registry, tmp_path / "second", layout) == 1
    (Path(layout.path) / "context-digests").unlink()
    lie(OLD, KnownDigests(layout))
    assert build(registry, tmp_path / "third", layout) == 0, "what is remembered is believed"


def test_a_build_that_writes_no_cache_leaves_no_digests(
    registry: Registry, layout: Layout, tmp_path: Path
) -> None:
    build(registry, tmp_path / "first", layout, no_push_cache=True)
    assert not Path(layout.path).exists()


@pytest.fixture
def named(registry: Registry, name: str, layout: Layout) -> dict[str, str]:
    """A cache in a registry, and a file beside it."""
    repository = f"{registry.host}/cache/{name}"
    return {"cache_repo": repository, "context_digests_file": f"{layout.path}/of-main"}


def counts(caplog: pytest.LogCaptureFixture) -> list[tuple[int, ...]]:
    """Tell of each build of how many files it knew what they hold, and of how many the next one will."""
    said = [it.getMessage() for it in caplog.records if "context's files" in it.getMessage()]
    return [tuple(map(int, re.findall("[0-9]+", text))) for text in said]


def test_a_file_keeps_digests_where_the_cache_is_in_a_registry(
    registry: Registry,
    layout: Layout,
    named: dict[str, str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    build(registry, tmp_path / "first", layout, **named)
    assert os.listdir(layout.path) == ["of-main"]
    assert build(registry, tmp_path / "second", layout, **named) == 1
    other = named | {"context_digests_file": f"{layout.path}/of-others"}
    build(registry, tmp_path / "third", layout, **other)
    assert counts(caplog) == [(0, 1), (1, 0), (0, 1)]


def test_digests_that_a_step_left_are_not_believed(
    registry: Registry,
    layout: Layout,
    named: dict[str, str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    build(registry, tmp_path / "first", layout, **named)
    (Path(layout.path) / "of-main").unlink()
    lie(OLD, KnownDigests(layout, name="of-main"))
    caplog.clear()
    assert build(registry, tmp_path / "second", layout, **named) == 1
    assert build(registry, tmp_path / "third", layout, **named) == 1
    assert counts(caplog) == [(0, 1), (1, 0)]
    assert "cache: digests of the context are left out: another wrote of-main since" in caplog.messages


def test_digests_that_the_cache_vouches_for_are_believed_also_by_who_writes_nothing(
    registry: Registry, layout: Layout, named: dict[str, str], tmp_path: Path
) -> None:
    named["cache_repo"] = f"oci:{tmp_path}/steps"
    build(registry, tmp_path / "first", layout, **named)
    (Path(layout.path) / "of-main").unlink()
    checksum = lie(OLD, KnownDigests(layout, name="of-main"))
    entry = Entry(name_of_digests("of-main"), checksum, None, int(time.time()))
    document = format_entry(entry, "", Platform("linux", "amd64"), Trace())
    FolderStore(f"{tmp_path}/steps").write([document], None)
    before = (Path(layout.path) / "of-main").read_bytes()
    assert build(registry, tmp_path / "second", layout, **named, no_push_cache=True) == 0
    assert (Path(layout.path) / "of-main").read_bytes() == before


def test_a_link_in_place_of_the_file_leads_nowhere(
    registry: Registry, layout: Layout, named: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "else").write_text("else")
    Path(layout.path).mkdir()
    Path(named["context_digests_file"]).symlink_to(tmp_path / "else")
    build(registry, tmp_path / "first", layout, **named)
    assert (tmp_path / "else").read_text() == "else"
    assert not Path(named["context_digests_file"]).is_symlink()


def test_a_place_that_cannot_be_costs_a_warning(
    registry: Registry,
    layout: Layout,
    named: dict[str, str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    Path(layout.path).write_text("no folder")
    assert build(registry, tmp_path / "first", layout, **named) == 0
    (said,) = [it.getMessage() for it in caplog.records if it.levelname == "WARNING"]
    assert said.startswith("cache: digests of the context are not kept: --context-digests-file: ")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cache": False}, "is of use to a cache of steps alone: give --cache, too"),
        ({"context_digests_file": "/volume/"}, "/volume/ names no file: write it as FOLDER/FILE"),
        ({"context": "git://example.com/a.git"}, "git://example.com/a.git is fetched for each build"),
        ({"context": "/workspace", "bucket": "files"}, "files is fetched for each build"),
    ],
)
def test_a_file_of_digests_that_is_of_no_use_is_refused(
    fields: dict[str, Any],
    message: str,
    registry: Registry,
    layout: Layout,
    named: dict[str, str],
    tmp_path: Path,
) -> None:
    with pytest.raises(UsageError, match=message):
        build(registry, tmp_path, layout, **(named | fields))


def test_a_file_of_digests_in_the_root_itself_is_refused(
    registry: Registry, layout: Layout, named: dict[str, str], tmp_path: Path
) -> None:
    named["context_digests_file"] = str(tmp_path / "root/digests/file")
    with pytest.raises(UsageError, match="is no volume: in the root itself a build deletes everything"):
        build(registry, tmp_path, layout, **named)
