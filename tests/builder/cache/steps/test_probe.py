"""Looking for entries, and leaving them, where stores are slow, broken or many."""

import logging
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from yadokari_builder.build.caching.writing import Left, Writer, patience
from yadokari_builder.cache.steps.entry import Entry, Trace, format_entry
from yadokari_builder.cache.steps.folder import FolderStore
from yadokari_builder.cache.steps.probe import Prober
from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.oci import media_types
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.platform import Platform
from yadokari_builder.registry.source import LocalLayer

WEEK = 7 * 86400.0


def write(store: FolderStore, key: str, created: int = 0, content: bytes = b"") -> None:
    layer = None
    if content:
        path = Path(store.path, "content")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        descriptor = Descriptor(media_types.OCI_LAYER, Digest.of(content), len(content))
        layer = LocalLayer(Layer(descriptor, Digest.of(content)), lambda: path.open("rb"))
    entry = Entry(key, f"layer:{key}", layer.layer if layer else None, created)
    document = format_entry(entry, "RUN x", Platform("linux", "amd64"), Trace({"files": key}), f"last-{key}")
    store.write([document], layer)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "store"))


@pytest.fixture
def other(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "other"))


@dataclass(frozen=True)
class Silent:
    """A store that does not answer until the test is over."""

    over: threading.Event = field(default_factory=threading.Event)

    def __str__(self) -> str:
        return "silence"

    def find(self, key: str) -> Entry | None:
        self.over.wait()
        return None

    def recall(self, name: str) -> None:
        self.over.wait()

    def source(self, layer: Layer) -> LocalLayer: ...  # type: ignore[empty-body]

    def write(self, *_: object) -> None:
        self.over.wait()


@pytest.fixture
def silent() -> Iterator[Silent]:
    store = Silent()
    yield store
    store.over.set()


def test_what_is_there_is_found_and_what_is_not_is_not(store: FolderStore) -> None:
    write(store, "a" * 64)
    write(store, "b" * 64, content=b"b")
    found = Prober([store], WEEK, clock=lambda: 0).probe(["a" * 64, "b" * 64, "c" * 64])
    assert [each and each.entry.name[:7] for each in found.values()] == ["layer:a", "layer:b", None]
    layer = found["b" * 64]
    assert layer
    assert layer.layer
    with layer.layer.open() as blob:
        assert blob.read() == b"b"


def test_a_folder_that_is_not_there_yet_is_empty(
    store: FolderStore, caplog: pytest.LogCaptureFixture
) -> None:
    assert Prober([store], WEEK).probe(["a"]) == {"a": None}
    assert Prober([store], WEEK).recall("last-a") is None
    assert not caplog.records


def test_an_entry_can_be_written_again(store: FolderStore) -> None:
    write(store, "a", created=1)
    write(store, "a", created=2, content=b"now")
    found = store.find("a")
    assert found
    assert (found.created, bool(found.layer)) == (2, True)


def test_entries_last_for_their_time(store: FolderStore) -> None:
    write(store, "a", created=1000)
    for now, is_found in ((1000 + WEEK - 1, True), (1000 + WEEK, False)):
        prober = Prober([store], WEEK, clock=lambda now=now: now)  # type: ignore[misc]
        assert bool(prober.probe(["a"])["a"]) == is_found
        assert prober.is_expired("a") != is_found


def test_the_first_store_that_has_an_entry_gives_it(store: FolderStore, other: FolderStore) -> None:
    write(store, "a", created=1)
    write(other, "a", created=2)
    write(other, "b", created=2)
    found = Prober([store, other], WEEK, clock=lambda: 2).probe(["a", "b"])
    assert [each and each.store for each in found.values()] == [store, other]


def test_what_is_too_old_in_one_store_may_be_new_in_another(store: FolderStore, other: FolderStore) -> None:
    write(store, "a", created=1)
    write(other, "a", created=1000)
    found = Prober([store, other], 100, clock=lambda: 1000).probe(["a"])["a"]
    assert found
    assert found.store == other


@dataclass(frozen=True)
class Sociable(Silent):
    """A store that answers once four ask at the same time."""

    all_there: threading.Barrier = field(default_factory=lambda: threading.Barrier(4))

    def find(self, key: str) -> Entry | None:
        self.all_there.wait(30)
        return Entry(key, "", None, 0)


def test_entries_are_looked_for_side_by_side() -> None:
    found = Prober([Sociable()], WEEK, clock=lambda: 0).probe("abcd")
    assert all(found.values())


def test_what_is_not_taken_in_time_is_not_waited_for(
    silent: Silent, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    left = Left(["a"], "", "", "RUN x", Trace(), Platform("linux", "amd64"), None, 0)
    with Writer(silent, lambda _: None, threading.Event(), lambda _: 0.2) as writer:
        writer.add(left)
        writer.add(left)
    assert [record.getMessage() for record in caplog.records] == [
        "cache: waiting for silence to take what is left, 0 seconds at most",
        "cache: nothing more is written to silence: it is not through after 0 seconds",
    ]


def test_entries_are_waited_for_by_how_long_the_build_took(silent: Silent) -> None:
    took = []

    def short(seconds: float) -> float:
        took.append(seconds)
        return 0.1

    began = time.monotonic()
    with Writer(silent, lambda _: None, threading.Event(), short):
        time.sleep(0.1)
    assert 0.1 <= took[0] <= time.monotonic() - began
    assert [patience(seconds) for seconds in (1, 100, 4000)] == [60, 100, 300]


def test_a_store_that_keeps_silent_is_left_alone(
    store: FolderStore, silent: Silent, caplog: pytest.LogCaptureFixture
) -> None:
    write(store, "a")
    prober = Prober([silent, store], WEEK, patience=0.2, clock=lambda: 0)
    assert prober.probe(["a", "b"]) == {"a": None, "b": None}
    assert "silence is not asked any more: there is no answer" in caplog.text


def test_a_store_that_does_not_say_what_has_changed_is_left_alone(
    store: FolderStore, silent: Silent, caplog: pytest.LogCaptureFixture
) -> None:
    prober = Prober([silent, store], WEEK, patience=0.2)
    assert prober.recall("last-a") is None
    assert "silence is not asked any more: there is no answer" in caplog.text
    assert not prober.asks


def test_a_broken_index_is_one_warning(store: FolderStore, caplog: pytest.LogCaptureFixture) -> None:
    write(store, "a")
    Path(store.path, "index.json").write_text("{")
    caplog.set_level(logging.WARNING)
    assert Prober([store], WEEK).probe(["a"]) == {"a": None}
    assert len(caplog.records) == 1


def test_a_folder_that_cannot_be_read_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "store").touch()
    prober = Prober([FolderStore(str(tmp_path / "store"))], WEEK)
    assert prober.probe(["a", "b", "c"]) == {"a": None, "b": None, "c": None}
    assert len(caplog.records) == 1


@pytest.mark.parametrize("damage", ["gone", "short", "link"])
def test_a_layer_that_is_not_what_it_was_makes_no_entry(
    damage: str, store: FolderStore, caplog: pytest.LogCaptureFixture
) -> None:
    write(store, "a", content=b"content")
    blob = Path(store.path, "blobs/sha256", Digest.of(b"content").hex)
    blob.unlink()
    if damage == "short":
        blob.write_bytes(b"con")
    elif damage == "link":
        blob.symlink_to("missing")
    assert Prober([store], WEEK, clock=lambda: 0).probe(["a"]) == {"a": None}
    assert "its layer is gone or has another length" in caplog.text


def test_what_a_key_was_made_of_is_recalled(store: FolderStore) -> None:
    write(store, "a")
    assert Prober([store], WEEK).recall("last-a") == Trace({"files": "a"})


def test_what_a_killed_build_left_half_written_goes_when_nobody_writes_it_any_more(
    store: FolderStore,
) -> None:
    write(store, "a")
    old, recent, other = (
        Path(store.path, "blobs/sha256", name) for name in (".partial-1", ".partial-2", "x")
    )
    for path in (old, recent, other):
        path.write_bytes(b"half")
    for path in (old, other):
        os.utime(path, (0, 0))
    write(store, "b")
    assert [path.exists() for path in (old, recent, other)] == [False, True, True]


def test_an_index_that_is_damaged_is_made_anew(store: FolderStore, caplog: pytest.LogCaptureFixture) -> None:
    write(store, "a")
    Path(store.path, "index.json").write_text("damaged")
    write(store, "b")
    assert "it is made anew" in caplog.text
    assert Prober([store], WEEK, clock=lambda: 0).probe(["b"])["b"]


def test_an_index_is_read_once_for_many_entries_and_again_when_others_have_written(
    store: FolderStore,
) -> None:
    for key in ("a", "b"):
        write(store, key)
    reader = FolderStore(store.path)
    prober = Prober([reader], WEEK, clock=lambda: 0)
    assert all(prober.probe(["a", "b"]).values())
    index = Path(store.path, "index.json")
    status = index.stat()
    index.write_bytes(b"{}".ljust(status.st_size))
    os.utime(index, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert all(prober.probe(["a", "b"]).values()), "it looks as it did and is not read"
    index.unlink()
    assert not any(prober.probe(["a", "b"]).values())
    write(store, "c")
    assert [bool(found) for found in prober.probe(["a", "c"]).values()] == [False, True]


def test_a_folder_in_the_place_of_the_index_goes(
    store: FolderStore, caplog: pytest.LogCaptureFixture
) -> None:
    write(store, "a")
    index = Path(store.path, "index.json")
    index.unlink()
    (index / "below").mkdir(parents=True)
    write(store, "b")
    assert "index.json is no file: it is made anew" in caplog.text
    assert Prober([store], WEEK, clock=lambda: 0).probe(["b"])["b"]


def test_what_is_no_file_is_not_read(store: FolderStore) -> None:
    write(store, "a")
    index = Path(store.path, "index.json")
    index.unlink()
    os.mkfifo(index)
    assert Prober([store], WEEK).probe(["a"]) == {"a": None}


@pytest.mark.parametrize("what", ["pipe", "link"])
def test_a_lock_that_is_no_file_holds_nobody_up_and_leads_nowhere(
    store: FolderStore, tmp_path: Path, what: str
) -> None:
    write(store, "a")
    lock, elsewhere = Path(store.path, ".lock"), tmp_path / "elsewhere"
    lock.unlink()
    if what == "pipe":
        os.mkfifo(lock)
    else:
        lock.symlink_to(elsewhere)
    with pytest.raises((OSError, ImageInvalidError), match=r"\.lock"):
        write(store, "b")
    assert not elsewhere.exists()
