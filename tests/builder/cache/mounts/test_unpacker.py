"""The processes that unpack caches: what they have, what becomes of them, and that they may be killed."""

import io
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from support.caches import MEGABYTE, Begin, add, names
from support.operator_process import wait_until
from yadokari_builder.cache.mounts.places import Kept, Place, Stamp, Volume
from yadokari_builder.cache.mounts.unpacker import LostError, Unpacker
from yadokari_builder.errors import CancelledError
from yadokari_builder.layers.pack import PackedLayer
from yadokari_builder.run.mounts.caches import CacheKey, CacheUse
from yadokari_builder.run.reaper import children

PIP = CacheUse(CacheKey("pip"))
MOST = 4
PATIENCE = 60

Act = Callable[[], None]
Started = Callable[[], frozenset[int]]


def nothing() -> None:
    return


@dataclass
class Slow:
    """A place that tells nothing before it `may_tell`; `meanwhile` is called amidst an archive."""

    place: Place
    meanwhile: Act = nothing
    may_tell: threading.Event = field(default_factory=threading.Event)
    has_locks: bool = False

    def find(self, name: str) -> Kept | None:
        assert self.may_tell.wait(PATIENCE)
        kept = self.place.find(name)
        return kept and Disturbed(kept, self.meanwhile)

    def stamp(self, name: str) -> Stamp:
        return self.place.stamp(name)

    def put(self, name: str, packed: PackedLayer, notes: Mapping[str, str], onto: Kept | None = None) -> None:
        raise AssertionError("nothing has changed")

    def claimed(self, name: str, *, wait: bool) -> AbstractContextManager[bool]:
        return self.place.claimed(name, wait=wait)


@dataclass
class Disturbed:
    kept: Kept
    meanwhile: Act

    @property
    def number(self) -> int:
        return self.kept.number

    @property
    def archives(self) -> Iterator[BinaryIO]:
        return (cast(BinaryIO, DisturbedStream(archive, self.meanwhile)) for archive in self.kept.archives)

    def close(self) -> None:
        self.kept.close()


class DisturbedStream(io.RawIOBase):
    def __init__(self, stream: BinaryIO, meanwhile: Act) -> None:
        self._stream = stream
        self._meanwhile = meanwhile
        self._read = 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(min(size, MEGABYTE) if size >= 0 else MEGABYTE)
        if self._read <= 2 * MEGABYTE < self._read + len(data):
            self._meanwhile()
        self._read += len(data)
        return data


@pytest.fixture
def started() -> Iterator[Started]:
    """Tells which processes were started since and not reaped; in the end there is none."""
    before = children()
    yield lambda: frozenset(each.pid for each in children() - before)
    assert children() <= before


@pytest.fixture
def filled(place: Place, begin: Begin) -> Place:
    """A place with a cache of some megabytes."""
    with begin(place) as build, build.step(PIP) as (folder,):
        (folder / "large").write_bytes(os.urandom(4 * MEGABYTE))
    return place


def kill(pids: frozenset[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def test_a_cache_that_is_expected_is_unpacked_by_a_process_which_is_gone_then(
    filled: Place, begin: Begin, started: Started
) -> None:
    seen: list[frozenset[int]] = []
    slow = Slow(filled, lambda: seen.append(started()))
    slow.may_tell.set()
    with begin(slow) as build, build.step(PIP) as (folder,):
        assert names(folder) == ["large"]
        assert started() == frozenset()
    assert [len(pids) for pids in seen] == [1]


def test_a_private_cache_has_all_that_another_step_expects_of_it(filled: Place, begin: Begin) -> None:
    slow = Slow(filled)
    with begin(slow) as build:
        build.caches.expect([PIP])
        threading.Timer(0.3, slow.may_tell.set).start()
        with build.step(CacheUse(PIP.key, "private")) as (folder,):
            assert names(folder) == ["large"]


@pytest.mark.parametrize("when", ["before", "midway"])
def test_a_process_that_somebody_kills_costs_time_alone(
    filled: Place, begin: Begin, started: Started, caplog: pytest.LogCaptureFixture, when: str
) -> None:
    slow = Slow(filled, (lambda: kill(started())) if when == "midway" else nothing)
    with caplog.at_level(logging.DEBUG), begin(slow) as build:
        build.caches.expect([PIP])
        if when == "before":
            kill(started())
        slow.may_tell.set()
        with build.step(PIP) as (folder,):
            assert names(folder) == ["large"]
            assert (folder / "large").stat().st_size == 4 * MEGABYTE
        assert sorted(os.listdir(build.caches.folder)) == [PIP.key.directory]
    assert "the cache pip: the process that unpacks it was killed; once more" in caplog.messages
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.fixture
def kept(volume: Volume, begin: Begin) -> Iterator[Kept]:
    """What a volume has of a cache of some megabytes."""
    with begin(volume) as build, build.step(PIP) as (folder,):
        (folder / "large").write_bytes(os.urandom(4 * MEGABYTE))
        name = build.name("pip")
    found = volume.find(name)
    assert found
    with closing(found):
        yield found


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def test_an_unpacking_that_is_given_up_leaves_nothing(kept: Kept, target: Path, started: Started) -> None:
    beats = iter(range(3))

    def beat() -> None:
        if next(beats) == 2:
            raise CancelledError("the build is over")

    with closing(Unpacker.start(f"{target}/cache", 100 * MEGABYTE)) as unpacker:
        with pytest.raises(CancelledError):
            unpacker.unpack(kept, beat)
        assert len(started()) == 1
    assert list(target.iterdir()) == []
    assert started() == frozenset()


def test_a_process_that_a_step_stops_is_held_for_lost(kept: Kept, target: Path, started: Started) -> None:
    with closing(Unpacker.start(f"{target}/cache", 100 * MEGABYTE, patience=0.1)) as unpacker:
        for pid in started():
            os.kill(pid, signal.SIGSTOP)
        with pytest.raises(LostError, match="does not go on"):
            unpacker.unpack(kept, nothing)
    assert list(target.iterdir()) == []
    assert started() == frozenset()


def test_caches_that_are_not_there_leave_no_process(place: Place, begin: Begin, started: Started) -> None:
    with begin(place) as build:
        build.caches.expect([PIP])
        with build.step(PIP) as (folder,):
            assert names(folder) == []
            assert started() == frozenset()


def test_of_many_caches_the_first_ones_have_processes(volume: Volume, begin: Begin, started: Started) -> None:
    many = [CacheKey(f"cache{number}") for number in range(MOST + 2)]
    with begin(volume) as build:
        for key in many:
            add(build, key.id, key)
    slow = Slow(volume)
    with begin(slow) as build:
        build.caches.expect(CacheUse(key) for key in many)
        assert len(started()) == MOST
        slow.may_tell.set()
        with build.step(*many) as folders:
            assert [names(folder) for folder in folders] == [[key.id] for key in many]


def test_a_process_has_nothing_open_but_its_connection_and_the_folder(
    volume: Volume, begin: Begin, started: Started, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.touch()

    def has_no_more(pid: int) -> bool:
        found: list[str] = []
        with suppress(FileNotFoundError):  # it is just being closed
            for link in Path(f"/proc/{pid}/fd").iterdir():
                found += [os.readlink(link).partition(":")[0]] if int(link.name) > 2 else []
        return sorted(found) == [build.caches.folder, "socket"]

    with secret.open(), begin(slow := Slow(volume)) as build:
        build.caches.expect(CacheUse(CacheKey(name)) for name in ("one", "two"))
        for pid in started():
            wait_until(partial(has_no_more, pid), PATIENCE)
        slow.may_tell.set()


def test_a_process_ends_with_the_one_that_has_started_it(tmp_path: Path) -> None:
    script = (
        "import os, sys\n"
        "from yadokari_builder.cache.mounts.unpacker import LostError, Unpacker\n"
        "Unpacker.start(sys.argv[1], 1000)\n"
        "os._exit(0)\n"
    )
    # It has this pipe's end as its parent had, so that the output ends when both are gone.
    subprocess.run(
        [sys.executable, "-c", script, tmp_path / "cache"], capture_output=True, check=True, timeout=PATIENCE
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("hides", "answer"), [("", "read"), ("keep_out_of_dumps()", "refused")])
def test_steps_can_read_no_more_of_a_process_than_of_the_one_that_has_started_it(
    tmp_path: Path, hides: str, answer: str
) -> None:
    script = (
        "import sys\n"
        "from yadokari_builder.cache.mounts.unpacker import Unpacker\n"
        "from yadokari_builder.run.protection import keep_out_of_dumps\n"
        "import subprocess\n"
        f"{hides}\n"
        "unpacker = Unpacker.start(sys.argv[1], 1000)\n"
        "look = ['head', '-c1', f'/proc/{unpacker._pid}/environ']\n"
        "print('refused' if subprocess.run(look, capture_output=True).returncode else 'read')\n"
        "unpacker.close()\n"
    )
    # As in a pod, where nobody may look into everybody else.
    apart = ["setpriv", "--bounding-set", "-all,+dac_override"]
    shown = subprocess.run(
        [*apart, sys.executable, "-c", script, tmp_path / "cache"],
        capture_output=True, check=True, timeout=PATIENCE, text=True,
    )  # fmt: skip
    assert shown.stdout.strip() == answer
