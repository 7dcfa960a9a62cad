import gzip
import io
from pathlib import Path

import pytest
import zstandard

from support.archives import archive, file
from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.layers.apply import apply
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
    def read(self, size: int = -1, /) -> bytes:
        raise ConnectionResetError("the other side hung up")


def test_errors_of_the_stream_come_out_of_the_thread() -> None:
    with pytest.raises(ConnectionResetError, match="hung up"):
        ThreadedReader(Failing()).read(1)


def test_a_thread_that_reads_ahead_gives_everything_in_order() -> None:
    data = bytes(range(256)) * 50_000
    with ThreadedReader(io.BytesIO(data)) as stream:
        pieces = [stream.read(70_000) for _ in range(300)]
    assert b"".join(pieces) == data
    assert pieces[-1] == b""


@pytest.mark.timeout(10)
def test_closing_ends_a_thread_that_is_ahead() -> None:
    stream = ThreadedReader(io.BytesIO(bytes(50_000_000)))
    assert stream.read(10) == bytes(10)
    stream.close()
    assert not stream._thread.is_alive()
