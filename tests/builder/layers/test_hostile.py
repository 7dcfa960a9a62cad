"""Archives by attackers: unpacking them ends well or with an error that says what is wrong with them.

Whatever they say, nothing outside of the root changes, and what they take of memory has a bound.
"""

import io
import os
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.folders import remove_tree
from support.hostile_archives import ARCHIVES, END, base_256, extended, header, octal
from support.trees import describe
from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.layers.fingerprints import Fingerprints
from yadokari_builder.layers.unpack import UnpackReport, unpack, unpack_outline
from yadokari_builder.rootfs.boundary import Boundary

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root")


def applied(root: Path, *parts: bytes) -> UnpackReport:
    return unpack(io.BytesIO(b"".join(parts) + END), Boundary(root), fingerprints=Fingerprints())


@pytest.mark.parametrize("key", [b"uid", b"gid", b"size", b"mtime", b"GNU.sparse.size"])
def test_a_number_of_thousands_of_digits_is_an_error(key: bytes, tmp_path: Path) -> None:
    with pytest.raises(ImageInvalidError):
        applied(tmp_path, extended((key, b"9" * 5000)), header())


@pytest.mark.parametrize(
    "key", [b"SCHILY.xattr.user.a\0b", b"SCHILY.xattr.", b"SCHILY.xattr.user." + b"a" * 300, b"a\0b"]
)
def test_a_name_of_an_attribute_that_cannot_be_is_an_error(key: bytes, tmp_path: Path) -> None:
    with pytest.raises(ImageInvalidError):
        applied(tmp_path, extended((key, b"value")), header())


def test_a_zero_byte_in_the_name_of_a_sparse_file_is_an_error(tmp_path: Path) -> None:
    sparse = ((b"GNU.sparse.name", b"a\0b"), (b"GNU.sparse.size", b"0"), (b"GNU.sparse.map", b""))
    with pytest.raises(ImageInvalidError, match="zero byte"):
        applied(tmp_path, extended(*sparse), header())


@pytest.mark.parametrize("flag", [b"3", b"4"])
@pytest.mark.parametrize("number", [-1, 2**31, 2**55])
def test_a_device_number_that_cannot_be_is_an_error(flag: bytes, number: int, tmp_path: Path) -> None:
    for numbers in ({"major": base_256(number, 8)}, {"minor": base_256(number, 8)}):
        with pytest.raises(ImageInvalidError, match="device"):
            applied(tmp_path, header(flag=flag, **numbers))


@pytest.mark.parametrize("offset", [2**63, 2**90])
def test_a_sparse_file_that_no_file_system_could_hold_is_an_error(offset: int, tmp_path: Path) -> None:
    pieces = bytes(41) + base_256(offset) + octal(0) + bytes(24 * 3 + 1) + base_256(offset)
    with pytest.raises(ImageInvalidError, match="sparse"):
        applied(tmp_path, header(flag=b"S", magic=b"ustar  \0", rest=pieces))
    sparse = ((b"GNU.sparse.map", b""), (b"GNU.sparse.size", b"%d" % (2**63)))
    with pytest.raises(ImageInvalidError, match="sparse"):
        applied(tmp_path, extended(*sparse), header())


def test_a_map_of_a_sparse_file_without_end_is_an_error(tmp_path: Path) -> None:
    first = header(flag=b"S", magic=b"ustar  \0", rest=bytes(137) + b"\1" + octal(0))
    more = bytes(504) + b"\1" + bytes(7)
    with pytest.raises(ImageInvalidError, match="sparse"):
        applied(tmp_path, first, *[more] * 2100)


def test_a_file_of_any_size_is_made_or_refused(tmp_path: Path) -> None:
    sparse = ((b"GNU.sparse.map", b""), (b"GNU.sparse.size", b"%d" % (2**63 - 1)))
    with suppress(ImageInvalidError):
        applied(tmp_path, extended(*sparse), header())


def test_a_size_beyond_all_bounds_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageInvalidError, match="size"):
        applied(tmp_path, header(size=base_256(2**80)))


def test_a_name_in_an_error_is_printable_and_of_no_great_length(tmp_path: Path) -> None:
    with pytest.raises(ImageInvalidError) as caught:
        applied(tmp_path, extended((b"path", b"\x1b[31m\n" + b"n" * 900_000)), header())
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300


@contextmanager
def bounded(mebibytes: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < mebibytes << 20


class Stream(io.RawIOBase):
    """An archive that is made while it is read."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts

    def read(self, size: int = -1, /) -> bytes:
        return next(self._parts, b"")


def long_names(number: int) -> bytes:
    return extended((b"path", b"./" * 450_000 + b"%d/../f" % number)) + header()


def refused_attributes(number: int) -> bytes:
    names = [b"SCHILY.xattr.refused.%d.%d." % (number, place) + b"x" * 220 for place in range(3500)]
    return extended(*((name, b"") for name in names)) + header()


def refused_folders(number: int) -> bytes:
    return extended((b"SCHILY.xattr.refused", b"x" * 900_000)) + header(b"d%d" % number, flag=b"5")


@pytest.mark.parametrize("part", [long_names, refused_attributes, refused_folders])
def test_heads_of_members_are_not_kept(part: Callable[[int], bytes], tmp_path: Path) -> None:
    with bounded(20):
        archive = Stream(part(number) for number in range(30))
        unpack(archive, Boundary(tmp_path), fingerprints=Fingerprints())  # type: ignore[arg-type]


def test_names_of_an_outline_have_a_bound(tmp_path: Path) -> None:
    names = header(b"yadokari.names", size=octal(1 << 30))
    with bounded(20), pytest.raises(ImageInvalidError, match="names in one piece"):
        unpack_outline(Stream(iter([names, bytes(1 << 20)])), Boundary(tmp_path))  # type: ignore[arg-type]


@needs_root
def test_names_of_an_outline_lead_nowhere_else(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    names = b"\0".join((b"../out", b"/abs", b"a/../../b", b".", b"..", b"link/x", b"new\nline")) + b"\0"
    parts = [header(b"link", flag=b"2", link=b"../.."), header(b"yadokari.names", size=octal(len(names)))]
    archive = b"".join(parts) + names + bytes(-len(names) % 512) + END
    unpack_outline(io.BytesIO(archive), Boundary(root))
    assert sorted(os.listdir(tmp_path)) == ["root"]
    assert sorted(os.listdir(root)) == ["abs", "b", "link", "new\nline", "out", "x"]


@pytest.mark.parametrize("follows", [b"", header(b"file")])
def test_an_outline_has_the_folders_and_links_that_it_counts(follows: bytes, tmp_path: Path) -> None:
    names = header(b"yadokari.names", size=octal(2)) + b"\0\0" + bytes(510)
    archive = names + header(b"folder", flag=b"5") + follows + END
    with pytest.raises(ImageInvalidError, match="lacks some of the folders"):
        unpack_outline(io.BytesIO(archive), Boundary(tmp_path))


def test_extended_headers_of_one_member_have_a_bound_together(tmp_path: Path) -> None:
    parts = (extended((b"comment", b"x" * 900_000)) for _ in range(100))
    with bounded(20), pytest.raises(ImageInvalidError, match="extended header"):
        unpack(Stream(parts), Boundary(tmp_path))  # type: ignore[arg-type]


@pytest.mark.long
@needs_root
@pytest.mark.parametrize("_part", range(4))  # 2,000 archives in all, for several processors
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ARCHIVES, min_size=2, max_size=2), st.sampled_from([None, True, False]))
def test_no_archive_does_worse_than_an_error(
    _part: int, layers: list[bytes], names_only: bool | None
) -> None:
    with TemporaryDirectory() as folder:
        root, outside = Path(folder, "root"), Path(folder, "outside")
        (root / "kept").mkdir(parents=True)
        (root / "kept/file").write_text("kept")
        outside.mkdir()
        (outside / "file").write_text("outside")
        before = describe(outside), describe(root / "kept"), sorted(os.listdir(folder))
        fingerprints = Fingerprints()
        with suppress(ImageInvalidError):
            for layer in layers:
                boundary = Boundary(root, frozenset({"/kept"}))
                if names_only is None:
                    unpack_outline(io.BytesIO(layer), boundary, fingerprints=fingerprints)
                else:
                    unpack(io.BytesIO(layer), boundary, names_only=names_only, fingerprints=fingerprints)
        assert (describe(outside), describe(root / "kept"), sorted(os.listdir(folder))) == before
        remove_tree(root)
