"""Caches that are damaged, hostile or out of reach: a build warns once and goes on with an empty one."""

import io
import logging
import os
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard

from support.archives import Member, archive, directory, file, hard_link, link, node
from support.caches import AMD64, MEGABYTE, Begin, Build, add, names
from support.clients import plain_client
from support.gate import Spoiled, running_gate
from support.handmade import make_image
from support.registry import Registry
from support.trees import deep_folder, names_below
from yadokari_builder.cache.mounts.bundle import pack_bundle, unpack_bundle
from yadokari_builder.cache.mounts.contents import Contents
from yadokari_builder.cache.mounts.places import Shelf, Volume
from yadokari_builder.errors import CancelledError, ImageInvalidError
from yadokari_builder.oci.reference import Reference, Repository
from yadokari_builder.registry.http.retry import RetryPolicy
from yadokari_builder.registry.push import Pusher
from yadokari_builder.run.mounts.caches import CacheKey, CacheUse


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def no_beat() -> None:
    return


def truncate(kept: Path) -> None:
    os.truncate(kept, kept.stat().st_size // 2)


def flip(kept: Path) -> None:
    data = bytearray(kept.read_bytes())
    data[len(data) // 2] ^= 1
    kept.write_bytes(data)


def append(kept: Path) -> None:
    with kept.open("ab") as opened:
        opened.write(b"more")


def replace_by_nonsense(kept: Path) -> None:
    kept.write_bytes(b"no archive at all" * 100)


def replace_by_a_folder(kept: Path) -> None:
    kept.unlink()
    (kept / "folder").mkdir(parents=True)


def replace_by_a_pipe(kept: Path) -> None:
    kept.unlink()
    os.mkfifo(kept)


def replace_by_a_link(kept: Path) -> None:
    kept.rename(kept.parent / "elsewhere")
    kept.symlink_to(kept.parent / "elsewhere")


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        flip,
        append,
        lambda kept: os.truncate(kept, 0),
        lambda kept: os.truncate(kept, 20),
        replace_by_nonsense,
        replace_by_a_folder,
        replace_by_a_pipe,
        replace_by_a_link,
    ],
    ids=["truncated", "flipped", "longer", "empty", "short", "nonsense", "folder", "pipe", "link"],
)
def test_a_file_on_a_volume_that_is_not_what_was_put_there_is_an_empty_cache(
    volume: Volume, begin: Begin, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    with begin(volume) as build, build.step("pip") as (folder,):
        (folder / "file").write_bytes(os.urandom(3 * MEGABYTE))
    (kept,) = Path(volume.folder).iterdir()
    damage(kept)
    with begin(volume) as build:
        assert add(build, "new") == []
    assert len(warnings(caplog)) == 1
    assert warnings(caplog)[0].startswith("the cache pip is empty: ")
    caplog.clear()
    with begin(volume) as build:
        assert add(build, "x") == ["new"]
    assert warnings(caplog) == []


@pytest.mark.parametrize("at", [0, 0.5, 0.95, 0.999], ids=["first", "middle", "seal", "added"])
def test_a_file_of_which_any_archive_is_damaged_is_an_empty_cache(
    volume: Volume, begin: Begin, caplog: pytest.LogCaptureFixture, at: float
) -> None:
    for number in range(2):
        with begin(volume) as build, build.step("pip") as (folder,):
            (folder / "large").exists() or (folder / "large").write_bytes(os.urandom(MEGABYTE))
            (folder / f"new{number}").write_bytes(os.urandom(1000))
    (kept,) = Path(volume.folder).iterdir()
    data = bytearray(kept.read_bytes())
    data[int(len(data) * at)] ^= 1
    kept.write_bytes(data)
    with begin(volume) as build, build.step("pip") as (folder,):
        assert names(folder) == []
    assert "the cache pip is empty: " in caplog.text


def test_a_volume_that_cannot_be_written_costs_a_warning_and_is_read(
    volume: Volume, begin: Begin, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = CacheUse(CacheKey("apt"), "locked")
    with begin(volume) as build:
        add(build, "file", locked)
    # As a full volume or one that is read-only answers; root may write anywhere.
    lock = next(path for path in Path(volume.folder).iterdir() if path.suffix == ".lock")
    lock.unlink()
    lock.mkdir()
    with begin(volume) as build:
        assert add(build, "more", locked) == ["file"]
    assert warnings(caplog)[0].startswith("the cache apt cannot be locked: ")
    assert len(warnings(caplog)) == 1


def test_a_lock_that_is_a_pipe_holds_nobody_up(volume: Volume, begin: Begin) -> None:
    locked = CacheUse(CacheKey("apt"), "locked")
    with begin(volume) as build:
        add(build, "file", locked)
    lock = next(path for path in Path(volume.folder).iterdir() if path.suffix == ".lock")
    lock.unlink()
    os.mkfifo(lock)
    with begin(volume) as build:
        assert add(build, "more", locked) == ["file"]


def push(shelf: Shelf, tag: str, folder: Path, *layers: dict[str, bytes]) -> None:
    made = make_image(folder, *layers)
    with Pusher(shelf.client, [Reference(shelf.repository, tag)]) as pusher:
        for layer in made.layers:
            pusher.add_layer(layer)
        pusher.finish(made.image)


@pytest.mark.parametrize("layers", [0, 1, 2, 9])
def test_an_image_that_is_no_cache_is_an_empty_one(
    shelf: Shelf, begin: Begin, caplog: pytest.LogCaptureFixture, tmp_path: Path, layers: int
) -> None:
    with begin(shelf) as build:
        push(shelf, build.name("pip"), tmp_path / "image", *({str(n): b"x"} for n in range(layers)))
    with begin(shelf) as build:
        assert add(build, "new") == []
    assert len(warnings(caplog)) == 1
    with begin(shelf) as build:
        assert add(build, "x") == ["new"]


@pytest.mark.parametrize("how", ["spoiled", "gone"])
def test_a_blob_that_the_registry_has_lost_is_an_empty_cache(
    registry: Registry, shelf: Shelf, begin: Begin, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    with begin(shelf) as build, build.step("pip") as (folder,):
        (folder / "file").write_bytes(os.urandom(MEGABYTE))
    blobs = sorted(registry.storage.rglob("blobs/sha256/*/*/data"), key=lambda path: path.stat().st_mtime)
    blob = next(path for path in reversed(blobs) if path.stat().st_size > MEGABYTE)
    if how == "gone":
        blob.unlink()
    else:
        flip(blob)
    with begin(shelf) as build:
        assert add(build, "new") == []
    assert len(warnings(caplog)) == 1
    assert warnings(caplog)[0].startswith("the cache pip is empty: ")
    with begin(shelf) as build:
        assert add(build, "x") == ["new"]


def test_a_registry_that_is_down_costs_one_warning_whatever_the_number_of_caches(
    begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    with plain_client(retry=RetryPolicy(attempts=2, first_delay=0.001)) as client:
        nowhere = Shelf(client, Repository("127.0.0.1:1", "caches"), AMD64)
        with begin(nowhere) as build:
            for name in ("pip", "npm", "go"):
                assert add(build, "file", name) == []
                assert add(build, "more", name) == ["file"]
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_a_registry_that_refuses_costs_one_warning(
    registry: Registry, begin: Begin, caplog: pytest.LogCaptureFixture, name: str, status: int
) -> None:
    with running_gate(registry.host) as gate, plain_client(retry=RetryPolicy(attempts=1)) as client:
        gate.spoil = lambda _: Spoiled(status)
        refusing = Shelf(client, Repository(gate.host, name), AMD64)
        with begin(refusing) as build:
            assert add(build, "file") == []
            assert add(build, "file", "npm") == []
    assert len(warnings(caplog)) == 1


def test_what_could_not_be_looked_at_is_not_replaced(
    registry: Registry, begin: Begin, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with running_gate(registry.host) as gate, plain_client(retry=RetryPolicy(attempts=1)) as client:
        shelf = Shelf(client, Repository(gate.host, name), AMD64)
        with begin(shelf) as build:
            add(build, "good")
        gate.spoil = lambda passed: Spoiled(503) if passed.method == "GET" else None
        with begin(shelf) as build:
            assert add(build, "poor") == []
        gate.spoil = lambda _: None
        with begin(shelf) as build:
            assert add(build, "x") == ["good"]


def bundle(*members: Member) -> io.BytesIO:
    return io.BytesIO(zstandard.compress(archive(*members).getvalue()))


def unpacked(tmp_path: Path, *members: Member, limit: int = 10 * MEGABYTE) -> Path:
    folder = tmp_path / "borrowed/cache"
    folder.parent.mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("not ours")
    before = (tmp_path / "outside/file").stat()
    try:
        unpack_bundle([bundle(*members)], str(folder), limit, no_beat)
    finally:
        assert names(tmp_path) == ["borrowed", "outside"]
        assert names(tmp_path / "outside") == ["file"]
        assert (tmp_path / "outside/file").stat() == before
        assert set(names(tmp_path / "borrowed")) <= {"cache"}
    return folder


CONTENT = directory("content/")


@pytest.mark.parametrize(
    ("members", "left"),
    [
        ([CONTENT, file("../outside/y"), file("/content/a"), file("b"), file("content/c")], ["c"]),
        ([CONTENT, link("content/out", "/outside"), hard_link("content/x", "content/out")], ["out", "x"]),
        ([CONTENT, node("content/x", tarfile.CHRTYPE, devmajor=1, devminor=3)], []),
        ([CONTENT, node("content/x", tarfile.BLKTYPE, devmajor=7)], []),
        ([CONTENT, node("content/x", tarfile.FIFOTYPE), file("content/y")], ["y"]),
        ([CONTENT, file("content/" + "d/" * 3000 + "x"), file("content/y")], ["y"]),
        ([CONTENT, file("content/x"), link("content/x", "/outside"), directory("content/x")], ["x"]),
        ([CONTENT, file("content/.wh.x"), file("content/.wh..wh..opq")], [".wh..wh..opq", ".wh.x"]),
    ],
)  # fmt: skip
def test_a_hostile_archive_reaches_nothing(tmp_path: Path, members: list[Member], left: list[str]) -> None:
    assert sorted(names_below(unpacked(tmp_path, *members))) == left


@pytest.mark.parametrize(
    "members",
    [
        [],
        [file("used")],
        [file("content")],
        [link("content", "../outside")],
        [link("content", "/")],
        [CONTENT, file("content/a/"), file("content/a/b/c")],
        [CONTENT, file(f"content/{'x' * 300}")],
        [CONTENT, file("content/../../../outside/x")],
        [CONTENT, directory("content/..")],
        [CONTENT, file("content//x")],
        [CONTENT, file("content/folder/x"), directory("content/folder")],
        [CONTENT, link("content/out", "../../outside"), file("content/out/file")],
        [CONTENT, link("content/out", "../../outside"), directory("content/out"), file("content/out/file")],
        [CONTENT, link("content/out", "../outside"), hard_link("content/x", "content/out/file")],
        [CONTENT, hard_link("content/x", "../../outside/file")],
        [CONTENT, hard_link("content/x", "content/../../../outside/file")],
        [CONTENT, directory("content/folder"), hard_link("content/x", "content/folder")],
    ],
    ids=[
        *(
            "empty",
            "no content",
            "file",
            "link",
            "link to root",
            "file as folder",
            "long",
            "above",
            "folder above",
        ),
        *("no name", "no folder", "through a link", "folder for a link", "linked through a link"),
        *("linked to elsewhere", "linked to above", "linked folder"),
    ],
)
def test_what_is_no_archive_of_a_cache_is_refused(tmp_path: Path, members: list[Member]) -> None:
    with pytest.raises(ImageInvalidError):
        unpacked(tmp_path, *members)


@pytest.mark.parametrize(
    "used",
    [
        file("used", b"nonsense\0\0 \0x /file\0-1 /file\0" + b"9" * 30 + b" /file\0"),
        file("used", b"5 /../../../outside/file\05 /out/file\05 /out\05 /folder\0"),
        link("used", "../outside/file"),
        node("used", tarfile.FIFOTYPE),
        node("used", tarfile.CHRTYPE, devmajor=1, devminor=5),
        directory("used"),
    ],
    ids=["nonsense", "elsewhere", "link", "pipe", "device", "folder"],
)
def test_a_hostile_list_of_what_was_used_changes_nothing(tmp_path: Path, used: Member) -> None:
    members = [CONTENT, file("content/file", b"x", mtime=7), link("content/out", "../../outside")]
    folder = unpacked(tmp_path, *members, directory("content/folder"), used)
    status = (folder / "file").stat()
    assert (status.st_atime, status.st_mtime) == (7, 7)


def test_of_several_archives_the_last_list_says_what_is_left(tmp_path: Path) -> None:
    first = bundle(CONTENT, file("content/a"), file("content/b"), file("used", b"1 /a\0001 /b\0"))
    second = bundle(file("content/c"), file("used", b"1 /a\0001 /c\0"))
    unpack_bundle([second, first], str(tmp_path / "cache"), MEGABYTE, no_beat)
    assert names(tmp_path / "cache") == ["a", "c"]


@pytest.mark.parametrize(
    "second",
    [
        [file("content/out/file"), file("used", b"1 /out/file\0")],
        [link("content", "../outside"), file("content/file")],
        [file("used", b"1 /../../outside/file\0")],
        [link("used", "../outside/file"), file("content/out/file")],
    ],
    ids=["through a link", "a link for all", "list of elsewhere", "list elsewhere"],
)
def test_a_hostile_archive_onto_another_reaches_nothing(tmp_path: Path, second: list[Member]) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("not ours")
    before = (outside / "file").stat()
    first = bundle(CONTENT, link("content/out", "../../outside"), file("content/a"), file("used", b"1 /a\0"))
    with suppress(ImageInvalidError):
        unpack_bundle([bundle(*second), first], str(tmp_path / "cache"), MEGABYTE, no_beat)
    assert (names(outside), (outside / "file").stat()) == (["file"], before)


def test_archives_that_together_unpack_to_more_than_can_be_are_given_up(tmp_path: Path) -> None:
    half = file("content/zeros", bytes(40 * MEGABYTE))
    with pytest.raises(ImageInvalidError, match="larger than --cache-mounts-limit allows"):
        unpack_bundle([bundle(half), bundle(CONTENT, half)], str(tmp_path / "cache"), MEGABYTE, no_beat)
    assert names(tmp_path) == []


def test_an_archive_that_unpacks_to_more_than_can_be_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(ImageInvalidError, match="larger than --cache-mounts-limit allows"):
        unpacked(tmp_path, CONTENT, file("content/zeros", bytes(80 * MEGABYTE)), limit=MEGABYTE)


def test_frames_that_unpack_to_nothing_are_not_read_without_end(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.write_bytes(b"\x50\x2a\x4d\x18" + (1 << 30).to_bytes(4, "little"))
    os.truncate(frames, (1 << 30) + 8)
    with (
        frames.open("rb") as opened,
        pytest.raises(ImageInvalidError, match="larger than --cache-mounts-limit allows"),
    ):
        unpack_bundle([opened], str(tmp_path / "cache"), MEGABYTE, no_beat)
    assert names(tmp_path) == ["frames"]


def test_unpacking_ends_when_the_build_is_over(tmp_path: Path) -> None:
    def over() -> None:
        raise CancelledError("it is over")

    folder = tmp_path / "cache"
    with pytest.raises(CancelledError):
        unpack_bundle([bundle(CONTENT)], str(folder), MEGABYTE, over)
    assert names(tmp_path) == []


def test_folders_too_deep_to_be_opened_are_left_out(tmp_path: Path) -> None:
    cache, work = tmp_path / "cache", tmp_path / "work"
    work.mkdir()
    with deep_folder(tmp_path, 30, "d" * 200) as deep:
        deep.rename(cache)
        try:
            (cache / "file").touch()
            packed = pack_bundle(Contents.of(str(cache)), MEGABYTE, work, no_beat).packed
            unpack_bundle([packed.file.open()], str(tmp_path / "again"), MEGABYTE, no_beat)
        finally:
            cache.rename(deep)
    assert "file" in names(tmp_path / "again")


def test_a_step_that_replaces_its_cache_by_a_link_keeps_nothing(volume: Volume, begin: Begin) -> None:
    def replaced(build: Build) -> None:
        with build.step("pip") as (folder,):
            (folder / "file").touch()
            folder.rename(folder.parent / "moved")
            folder.symlink_to("/etc")

    with begin(volume) as build:
        replaced(build)
    assert names(Path(volume.folder)) == []
