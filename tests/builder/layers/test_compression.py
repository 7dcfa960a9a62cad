import bz2
import gzip
import io
import lzma
from typing import BinaryIO

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.layers.compression import Compression, CompressionKind, compressor, decompress

TEXT = b"the hermit crab borrows a lodging\n" * 20_000
CODECS = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}


def read_all(stream: BinaryIO) -> bytes:
    return b"".join(iter(lambda: stream.read(1 << 16), b""))


def unpacked(data: bytes) -> bytes:
    return read_all(decompress(io.BytesIO(data)))


@pytest.mark.parametrize("codec", CODECS)
def test_every_compression_is_told_by_its_first_bytes(codec: str) -> None:
    assert unpacked(CODECS[codec](TEXT)) == TEXT


@pytest.mark.parametrize("codec", CODECS)
def test_several_members_are_read_one_after_the_other(codec: str) -> None:
    compress = CODECS[codec]
    assert unpacked(compress(b"one ") + compress(b"two ") + compress(TEXT)) == b"one two " + TEXT


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("cut", [9, 100])
def test_data_that_ends_too_early_is_an_error(codec: str, cut: int) -> None:
    compressed = CODECS[codec](bytes(range(256)) * 40)
    with pytest.raises(ImageInvalidError, match=f"the {codec} data is broken"):
        unpacked(compressed[:-cut])


@pytest.mark.parametrize("codec", CODECS)
def test_garbage_after_the_end_is_an_error(codec: str) -> None:
    with pytest.raises(ImageInvalidError, match="broken"):
        unpacked(CODECS[codec](TEXT) + b"garbage that is no member")


@pytest.mark.parametrize("codec", ["gzip", "xz", "bzip2"])
def test_zeros_after_the_end_are_padding(codec: str) -> None:
    assert unpacked(CODECS[codec](TEXT) + bytes(512)) == TEXT


@pytest.mark.parametrize("data", [b"", b"x", b"plain text", bytes(1024)])
def test_plain_data_is_left_as_it_is(data: bytes) -> None:
    assert unpacked(data) == data


def test_a_name_that_begins_as_bzip2_does_is_plain() -> None:
    assert unpacked(b"BZh91 is a file of an archive") == b"BZh91 is a file of an archive"


def test_a_skippable_frame_may_come_first() -> None:
    skipped = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"note"
    assert unpacked(skipped + zstandard.compress(TEXT)) == TEXT


def test_a_read_never_gives_more_than_was_asked_for() -> None:
    for compress in CODECS.values():
        stream = decompress(io.BytesIO(compress(bytes(10_000_000))))
        assert 0 < len(stream.read(1000)) <= 1000


@given(
    st.sampled_from(list(CompressionKind)),
    st.sampled_from([None, 0, 1, 2, 3, 5]),
    st.lists(st.binary(max_size=5000)),
)
def test_what_is_compressed_is_read_back(
    kind: CompressionKind, level: int | None, pieces: list[bytes]
) -> None:
    pieces = [b"plain data begins like no compression's", *pieces]

    def compressed() -> bytes:
        writer = compressor(Compression(kind, level))
        return b"".join(writer.compress(piece) for piece in pieces) + writer.flush()

    assert unpacked(compressed()) == b"".join(pieces)
    assert compressed() == compressed()


def test_the_default_is_at_most_five_percent_larger_than_the_fastest_zlib() -> None:
    # Go's fastest level, kaniko's default, compresses about as zlib's does.
    text = b"".join(b"%d: %x\n" % (number, number * number) for number in range(100_000))
    writer = compressor(Compression())
    assert len(writer.compress(text) + writer.flush()) < 1.05 * len(gzip.compress(text, 1))
