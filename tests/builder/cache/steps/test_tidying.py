"""A cache in a folder: what is too old for anybody goes, and what else is there stays."""

import io
import os
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from yadokari_builder.cache.layout import Layout
from yadokari_builder.cache.steps.entry import Document, Entry, Trace, format_entry
from yadokari_builder.cache.steps.folder import FolderStore
from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.oci import media_types
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.layout import REF_NAME
from yadokari_builder.oci.manifest import Index
from yadokari_builder.oci.platform import Platform
from yadokari_builder.registry.source import LocalLayer

DAY = 86400
OLD = 15


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(folder: Path) -> FolderStore:
    return FolderStore(str(folder))


def made(content: bytes) -> LocalLayer:
    descriptor = Descriptor(media_types.OCI_LAYER, Digest.of(content), len(content))
    return LocalLayer(Layer(descriptor, Digest.of(content)), lambda: io.BytesIO(content))


def document(key: str, layer: LocalLayer, days: float) -> Document:
    entry = Entry(key, f"layer:{key}", layer.layer, int(time.time() - days * DAY))
    return format_entry(entry, f"RUN {key}", Platform("linux", "amd64"), Trace(), f"last-{key}")


def write(store: FolderStore, key: str, content: bytes = b"content", days: float = 0) -> None:
    """Leave an entry that was made so many days ago."""
    layer = made(content)
    store.write([document(key, layer, days)], layer)


def pass_days(folder: Path, days: float) -> None:
    """Make all that is there older."""
    for path in (folder / ".tidied", *folder.glob("blobs/*/*")):
        then = path.stat().st_mtime - days * DAY
        os.utime(path, (then, then))


def contents(store: FolderStore) -> set[str]:
    """What of the contents of these tests is there, and of configs by their steps."""
    texts = (path.read_bytes() for path in Path(store.path).glob("blobs/*/*"))
    return {
        "config" if b'"history"' in text else "manifest" if b'"layers"' in text else text.decode()
        for text in texts
    }


def test_an_entry_that_is_too_old_goes_with_its_blobs(store: FolderStore, folder: Path) -> None:
    write(store, "a", b"a", OLD)
    pass_days(folder, OLD)
    write(store, "b", b"b")
    assert (store.find("a"), store.recall("last-a")) == (None, None)
    assert store.find("b")
    assert contents(store) == {"b", "config", "manifest"}
    assert len([*folder.glob("blobs/*/*")]) == 3


def test_a_layer_that_a_younger_entry_has_too_stays(store: FolderStore, folder: Path) -> None:
    write(store, "a", days=OLD)
    write(store, "b", days=1)
    pass_days(folder, OLD)
    write(store, "c", b"c")
    assert store.find("a") is None
    assert store.find("b")
    assert contents(store) == {"content", "c", "config", "manifest"}


def test_blobs_of_what_was_written_again_go(store: FolderStore, folder: Path) -> None:
    write(store, "a", b"first")
    write(store, "a", b"then")
    pass_days(folder, 2)
    write(store, "b", b"b")
    assert store.find("a")
    assert contents(store) == {"then", "b", "config", "manifest"}


def test_what_somebody_is_about_to_name_stays(store: FolderStore, folder: Path) -> None:
    """A layer that was there, of an entry that is too old, and one that has just been put."""
    write(store, "a", b"there", OLD)
    pass_days(folder, OLD)
    layout, (there, new) = Layout(str(folder)), (made(b"there"), made(b"new"))
    assert layout.holds(there.layer.descriptor)
    layout.put(new.layer.descriptor.digest, [b"new"])
    write(store, "b", b"b")
    assert store.find("a") is None
    assert {"there", "new"} < contents(store)


def test_it_is_looked_for_once_a_day(store: FolderStore, folder: Path) -> None:
    write(store, "a", days=OLD)
    write(store, "b")
    assert store.find("a"), "it was written today"
    pass_days(folder, 1.1)
    write(store, "c")
    assert store.find("a") is None


def test_a_stamp_of_the_future_is_none(store: FolderStore, folder: Path) -> None:
    write(store, "a", days=OLD)
    pass_days(folder, -1000)
    write(store, "b")
    assert store.find("a") is None


@pytest.mark.parametrize(("days", "is_there"), [(13, True), (15, False), (29, False)])
def test_who_wants_newer_entries_leaves_those_of_others(folder: Path, days: int, is_there: bool) -> None:
    store = FolderStore(str(folder), timedelta(minutes=1))
    write(store, "a", days=days)
    pass_days(folder, 2)
    write(store, "b")
    assert bool(store.find("a")) == is_there


def test_who_wants_older_entries_keeps_them(folder: Path) -> None:
    store = FolderStore(str(folder), timedelta(days=30))
    write(store, "a", days=29)
    pass_days(folder, 2)
    write(store, "b")
    assert store.find("a")


def test_what_is_no_entry_stays_with_its_blobs(store: FolderStore, folder: Path) -> None:
    """As of base images, which a warmer may put into the same folder."""
    layer = made(b"base")
    image = document("x", layer, OLD).image
    manifest = image.manifest.format().replace(b"dev.yadokari.cache.key", b"dev.yadokari.other.key")
    layout, digest = Layout(str(folder)), Digest.of(manifest)
    for blob in (manifest, image.config.format(), b"base"):
        layout.put(Digest.of(blob), [blob])
    layout.enlist([Descriptor(media_types.OCI_MANIFEST, digest, len(manifest), {REF_NAME: "base"})])
    write(store, "a", b"a")
    pass_days(folder, 100)
    write(store, "b", b"b")
    assert contents(store) == {"base", "a", "b", "config", "manifest"}
    assert [*named(folder)] == ["base", "a", "last-a", "b", "last-b"]


@pytest.mark.parametrize("media_type", [media_types.OCI_INDEX, "application/vnd.theirs+json"])
def test_nothing_goes_where_something_is_listed_that_others_have_made(
    store: FolderStore, folder: Path, media_type: str
) -> None:
    layout = Layout(str(folder))
    index = Index(media_types.OCI_INDEX, ()).format()
    layout.put(Digest.of(index), [index])
    layout.put(Digest.of(b"theirs"), [b"theirs"])
    layout.enlist([Descriptor(media_type, Digest.of(index), len(index), {REF_NAME: "theirs"})])
    write(store, "a", b"a", OLD)
    pass_days(folder, OLD)
    write(store, "b", b"b")
    assert "theirs" in contents(store)
    assert store.find("a")


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"{")])
def test_an_entry_that_cannot_be_read_goes(store: FolderStore, folder: Path, damage: object) -> None:
    write(store, "a", b"a")
    assert callable(damage)
    damage(folder / "blobs/sha256" / Layout(str(folder)).index().manifests[0].digest.hex)
    pass_days(folder, 2)
    write(store, "b", b"b")
    assert [*named(folder)] == ["b", "last-b"]
    assert contents(store) == {"b", "config", "manifest"}


def test_a_damaged_index_is_made_anew_and_its_blobs_go_in_time(store: FolderStore, folder: Path) -> None:
    write(store, "a", b"a")
    pass_days(folder, 2)
    (folder / "index.json").write_text("damaged")
    write(store, "b", b"b")
    assert store.find("b")
    pass_days(folder, 2)
    write(store, "c", b"c")
    assert contents(store) == {"b", "c", "config", "manifest"}


def test_of_more_names_than_an_index_may_have_the_oldest_go(
    store: FolderStore, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(store, "first")
    layout, digest = Layout(str(folder)), Digest.of(b"manifest")
    names = [f"last-{number:064x}" for number in range(60_000)]
    layout.enlist([Descriptor(media_types.OCI_MANIFEST, digest, 10**6, {REF_NAME: name}) for name in names])
    write(store, "a")
    assert store.find("a")
    there = [*named(folder)]
    assert there[-3:] == [names[-1], "a", "last-a"]
    assert 30_000 < len(there) < 60_000
    assert not caplog.records


def named(folder: Path) -> Iterable[str]:
    return (each.annotations[REF_NAME] for each in Layout(str(folder)).index().manifests)


@pytest.mark.parametrize("link", ["blobs", "blobs/sha256"])
def test_nothing_goes_to_which_a_link_leads(
    store: FolderStore, folder: Path, tmp_path: Path, link: str
) -> None:
    write(store, "a", b"a")
    (folder / link).rename(tmp_path / "elsewhere")
    (folder / link).symlink_to(tmp_path / "elsewhere")
    theirs = tmp_path / "elsewhere" / ("sha256" if link == "blobs" else "") / ("0" * 64)
    theirs.write_text("theirs")
    pass_days(folder, 2)
    write(store, "b", b"b")
    assert theirs.exists()


def test_a_layer_is_not_put_again_that_is_there(store: FolderStore, folder: Path) -> None:
    write(store, "a", b"a")
    blob = folder / "blobs/sha256" / Digest.of(b"a").hex
    before = blob.stat().st_ino
    write(store, "b", b"a")
    assert blob.stat().st_ino == before
    blob.write_bytes(b"longer")
    with pytest.raises(ImageInvalidError):
        store.find("b")
    write(store, "c", b"a")
    assert store.find("b")


def test_a_file_without_end_in_place_of_a_layer_is_not_read(store: FolderStore, folder: Path) -> None:
    write(store, "a", b"a")
    blob = folder / "blobs/sha256" / Digest.of(b"a").hex
    os.truncate(blob, 1 << 43)
    write(store, "b", b"a")
    assert blob.read_bytes() == b"a"
