"""Digests of a context's files that are remembered: nothing that has changed is taken for what it was."""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.registry import Registry
from support.site import Site
from yadokari_builder.cache.layout import Layout
from yadokari_builder.cache.steps.content import Hashing
from yadokari_builder.cache.steps.known import KnownDigests
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


def lie(path: Path, known: KnownDigests) -> None:
    with path.open("rb") as file:
        known.note(file.fileno(), bytes(32))
    known.keep()


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


def make_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("damage", [cut_off, spoil, empty, make_pipe, make_link])
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
