import io
import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yadokari_builder.layers.spool import SpooledReader

MEBIBYTE = 1 << 20


class Watched(io.BytesIO):
    """A stream that tells how far it has been read, and that may fail at its end."""

    def __init__(self, data: bytes, error: Exception | None = None) -> None:
        super().__init__(data)
        self._error = error

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not data and self._error:
            raise self._error
        return data

    def wait_for(self, offset: int) -> None:
        for _ in range(1000):
            if self.tell() >= offset:
                return
            time.sleep(0.01)
        raise AssertionError(f"the stream was read up to {self.tell()} only")


def read_all(reader: SpooledReader, size: int = -1) -> bytes:
    return b"".join(iter(lambda: reader.read(size), b""))


def test_a_stream_comes_in_whole_before_it_is_read(tmp_path: Path) -> None:
    stream = Watched(os.urandom(10 * MEBIBYTE + 7))
    with SpooledReader(stream, tmp_path) as reader:
        stream.wait_for(10 * MEBIBYTE + 7)
        assert read_all(reader, 70_000) == stream.getvalue()
    assert list(tmp_path.iterdir()) == []


def test_what_comes_after_the_first_read_waits_in_memory(tmp_path: Path) -> None:
    stream = Watched(os.urandom(40 * MEBIBYTE))
    with SpooledReader(stream, tmp_path) as reader:
        start = reader.read(1)
        time.sleep(0.2)
        assert stream.tell() < 40 * MEBIBYTE or reader._written
        assert start + read_all(reader) == stream.getvalue()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 12), st.floats(0, 0.02), st.integers(50_000, 3 * MEBIBYTE))
def test_a_stream_comes_out_as_it_is_whenever_it_is_read(mebibytes: int, delay: float, size: int) -> None:
    stream = Watched(os.urandom(mebibytes * MEBIBYTE + 3))
    with SpooledReader(stream, Path("/tmp")) as reader:
        time.sleep(delay)
        assert read_all(reader, size) == stream.getvalue()


def test_an_error_comes_after_what_came_before_it(tmp_path: Path) -> None:
    stream = Watched(bytes(6 * MEBIBYTE), ValueError("cut off"))
    with SpooledReader(stream, tmp_path) as reader:
        stream.wait_for(6 * MEBIBYTE)
        for _ in range(6):
            assert len(reader.read(MEBIBYTE)) == MEBIBYTE
        with pytest.raises(ValueError, match="cut off"):
            reader.read(1)


def test_a_full_disk_is_an_error_of_reading(tmp_path: Path) -> None:
    reader = SpooledReader(Watched(bytes(10 * MEBIBYTE)), tmp_path / "missing")
    reader._thread.join()
    with reader, pytest.raises(FileNotFoundError):
        read_all(reader)


def test_closing_ends_the_thread_whatever_it_waits_for(tmp_path: Path) -> None:
    reader = SpooledReader(Watched(bytes(50 * MEBIBYTE)), tmp_path)
    reader.read(1)
    closing = threading.Thread(target=reader.close)
    closing.start()
    closing.join(60)
    assert not closing.is_alive()
