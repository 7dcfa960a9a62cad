import gzip
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from support.applied import apply
from support.archives import archive, file
from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.layers.archives import Archive, decompressing
from yadokari_builder.layers.streams import ThreadedReader
from yadokari_builder.oci.digest import Digest
from yadokari_builder.rootfs.boundary import Boundary


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress, bytes])
def test_a_layer_is_unpacked_and_checked(compress: "type[bytes]", tmp_path: Path) -> None:
    data = archive(file("a", b"x" * 3_000_000)).read()
    report = apply(io.BytesIO(compress(data)), Digest.of(data), Boundary(tmp_path))
    assert not report
    assert (tmp_path / "a").stat().st_size == 3_000_000


def test_a_layer_with_another_diff_id_is_an_error(tmp_path: Path) -> None:
    data = archive(file("a")).read()
    with pytest.raises(ImageInvalidError, match="the image's config says sha256:"):
        apply(io.BytesIO(data), Digest.of(b"other"), Boundary(tmp_path))


def test_broken_compression_is_an_error(tmp_path: Path) -> None:
    data = gzip.compress(archive(file("a", b"x" * 3_000_000)).read())
    with pytest.raises(ImageInvalidError, match="gzip"):
        apply(io.BytesIO(data[:-1000]), Digest.of(data), Boundary(tmp_path))


class Failing(io.RawIOBase):
    def __init__(self, before: bytes = b"") -> None:
        self._before = io.BytesIO(before)

    def read(self, size: int = -1, /) -> bytes:
        if data := self._before.read(size):
            return data
        raise ConnectionResetError("the other side hung up")


def test_errors_of_the_stream_come_out_of_the_thread() -> None:
    with pytest.raises(ConnectionResetError, match="hung up"):
        ThreadedReader(Failing()).read(1)


def read_all(archive: Archive) -> bytes:
    return b"".join(iter(lambda: archive.read(70_000), b""))


CONTENTS = st.lists(
    st.binary(max_size=50).flatmap(lambda piece: st.integers(0, 100_000).map(lambda times: piece * times)),
    max_size=5,
)


@given(CONTENTS, st.sampled_from([gzip.compress, zstandard.compress, bytes]))
@settings(max_examples=30, deadline=None)
def test_archives_come_in_order_and_whole(contents: list[bytes], compress: "type[bytes]") -> None:
    blobs = [io.BytesIO(compress(content)) for content in contents]
    with decompressing(blobs, [Digest.of(content) for content in contents]) as archives:
        for archive, content in zip(archives, contents, strict=True):
            assert read_all(archive) == content
            archive.check()


def test_the_next_archive_is_begun_while_the_end_of_one_is_not_read_yet() -> None:
    second = io.BytesIO(bytes(3_000_000))
    begun = threading.Event()

    def blobs() -> Iterator[BinaryIO]:
        yield io.BytesIO(bytes(3_000_000))
        begun.set()
        yield second

    diff_id = Digest.of(bytes(3_000_000))
    with decompressing(blobs(), [diff_id, diff_id]) as archives:
        first = next(archives)
        assert begun.wait(60)
        assert len(read_all(first)) == 3_000_000
        assert len(read_all(next(archives))) == 3_000_000


def test_what_is_not_read_of_one_archive_is_not_taken_for_the_next_one() -> None:
    contents = [b"a" * 5_000_000, b"b" * 10]
    with decompressing(map(io.BytesIO, contents), list(map(Digest.of, contents))) as archives:
        next(archives).read(1)
        assert read_all(next(archives)) == contents[1]


def test_errors_come_where_the_archive_that_they_are_of_is_read() -> None:
    blobs = [io.BytesIO(b"fine"), Failing(b"x" * 2_000_000)]
    with decompressing(cast(list[BinaryIO], blobs), [Digest.of(b"fine")] * 2) as archives:
        assert read_all(next(archives)) == b"fine"
        broken = next(archives)
        for _ in range(2):
            with pytest.raises(ConnectionResetError, match="hung up"):
                read_all(broken)


@pytest.mark.timeout(60)
def test_leaving_ends_the_thread_that_is_ahead() -> None:
    blob = io.BytesIO(bytes(50_000_000))
    with decompressing([blob], [Digest.of(b"")]) as archives:
        next(archives).read(10)
    read = blob.tell()
    assert read < 50_000_000
    assert not [thread for thread in threading.enumerate() if thread.name == "decompress"]


def test_a_thread_that_reads_ahead_gives_everything_in_order() -> None:
    data = bytes(range(256)) * 50_000
    with ThreadedReader(io.BytesIO(data)) as stream:
        pieces = [stream.read(70_000) for _ in range(300)]
    assert b"".join(pieces) == data
    assert pieces[-1] == b""


@pytest.mark.timeout(60)
def test_closing_ends_a_thread_that_is_ahead() -> None:
    stream = ThreadedReader(io.BytesIO(bytes(50_000_000)))
    assert stream.read(10) == bytes(10)
    stream.close()
    assert not stream._ahead.thread.is_alive()
