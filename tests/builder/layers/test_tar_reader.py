import contextlib
import io
import os
import random
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.archives import archive, directory, file, hard_link, link
from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.layers.tar_header import number, parse_records
from yadokari_builder.layers.tar_member import Kind, Member
from yadokari_builder.layers.tar_reader import TarReader

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


class Dribble(io.RawIOBase):
    """Gives an archive in pieces of any size, as a network may."""

    def __init__(self, data: bytes, largest: int) -> None:
        self._stream = io.BytesIO(data)
        self._largest = largest

    def read(self, size: int = -1, /) -> bytes:
        return self._stream.read(random.Random(self._stream.tell()).randint(1, self._largest))


def members_of(data: bytes, tmp_path: Path) -> list[tuple[Member, bytes]]:
    found = []
    reader = TarReader(Dribble(data, 700))
    for member in reader:
        with open(tmp_path / "content", "wb+", buffering=0) as content:
            reader.write_to(content.fileno())
            content.seek(0)
            found.append((member, content.read()))
    return found


@pytest.mark.parametrize("variant", FORMATS)
def test_members_are_read_in_every_format(variant: int, tmp_path: Path) -> None:
    data = archive(
        directory("dir", mode=0o1777, uid=3, gid=4),
        file("dir/file", b"content" * 100, mode=0o4755, uid=1000, gid=100, mtime=1_600_000_000),
        link("dir/link", "../elsewhere"),
        hard_link("again", "dir/file"),
        file("empty"),
        variant=variant,
    ).read()
    members = members_of(data, tmp_path)
    assert [(member.name.rstrip("/"), member.kind, member.mode) for member, _ in members] == [
        ("dir", Kind.DIRECTORY, 0o1777),
        ("dir/file", Kind.FILE, 0o4755),
        ("dir/link", Kind.LINK, 0o644),
        ("again", Kind.HARD_LINK, 0o644),
        ("empty", Kind.FILE, 0o644),
    ]
    member, content = members[1]
    assert (member.uid, member.gid, member.mtime_ns) == (1000, 100, 1_600_000_000 * 10**9)
    assert content == b"content" * 100
    assert [member.link for member, _ in members] == ["", "", "../elsewhere", "dir/file", ""]


@pytest.mark.parametrize("variant", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_links_and_large_numbers_are_read(variant: int, tmp_path: Path) -> None:
    name, target = "d/" * 200 + "näme", "t/" * 300 + "\udcff"
    data = archive(
        link(name, target, uid=3_000_000, gid=4_000_000_000, mtime=2**33),
        variant=variant,
    ).read()
    ((member, _),) = members_of(data, tmp_path)
    assert (member.name, member.link) == (name, target)
    assert (member.uid, member.gid, member.mtime_ns) == (3_000_000, 4_000_000_000, 2**33 * 10**9)


def test_names_split_in_ustar_are_joined(tmp_path: Path) -> None:
    name = "a" * 90 + "/" + "b" * 90
    ((member, _),) = members_of(archive(file(name), variant=tarfile.USTAR_FORMAT).read(), tmp_path)
    assert member.name == name


@pytest.mark.parametrize(
    ("mtime", "nanoseconds"),
    [
        ("1.5", 1_500_000_000),
        ("1600000000.123456789", 1_600_000_000_123_456_789),
        ("1.1234567899", 1_123_456_789),
        ("-1.25", -1_250_000_000),
        ("9" * 19, 2**63 - 1),
    ],
)
def test_times_keep_their_nanoseconds(mtime: str, nanoseconds: int, tmp_path: Path) -> None:
    data = archive(file("a", pax_headers={"mtime": mtime})).read()
    ((member, _),) = members_of(data, tmp_path)
    assert member.mtime_ns == nanoseconds


def test_headers_for_all_that_follows_count_for_nothing(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(
        fileobj=stream, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"uid": "77", "comment": "x"}
    ) as tar:
        tar.addfile(tarfile.TarInfo("a"))
        own = tarfile.TarInfo("b")
        own.pax_headers = {"uid": "78"}
        tar.addfile(own)
    assert [member.uid for member, _ in members_of(stream.getvalue(), tmp_path)] == [0, 78]


def test_extended_attributes_are_read_in_any_bytes(tmp_path: Path) -> None:
    data = archive(file("a", pax_headers={"SCHILY.xattr.user.a": "1", "SCHILY.xattr.user.none": ""})).read()
    ((member, _),) = members_of(data, tmp_path)
    assert dict(member.xattrs)["user.none"] == b""
    assert dict(member.xattrs)["user.a"] == b"1"
    assert parse_records(b"28 SCHILY.xattr.user.b=\x00\xff\n=\n") == [("SCHILY.xattr.user.b", b"\x00\xff\n=")]


def test_a_plain_file_whose_name_ends_in_a_slash_is_a_directory(tmp_path: Path) -> None:
    old = tarfile.TarInfo("old/")
    old.type = tarfile.AREGTYPE
    header = old.tobuf(tarfile.USTAR_FORMAT)
    ((member, _),) = members_of(header + bytes(1024), tmp_path)
    assert member.kind is Kind.DIRECTORY


def test_a_long_name_cut_off_at_a_slash_is_still_a_files(tmp_path: Path) -> None:
    ((member, content),) = members_of(archive(file("a/" * 60 + "b", b"text")).read(), tmp_path)
    assert (member.kind, content) == (Kind.FILE, b"text")


@pytest.mark.parametrize(
    "options",
    [
        ["--format=gnu"],
        ["--format=pax", "--sparse-version=0.0"],
        ["--format=pax", "--sparse-version=0.1"],
        ["--format=pax", "--sparse-version=1.0"],
    ],
)
@pytest.mark.parametrize("pieces", [0, 1, 30])
def test_sparse_files_of_every_format_are_read(options: list[str], pieces: int, tmp_path: Path) -> None:
    original = tmp_path / "sparse"
    with original.open("wb") as sparse:
        for number_of_piece in range(pieces):
            sparse.seek(number_of_piece * 200_000 + 50_000)
            sparse.write(b"%d" % number_of_piece * 1000)
        sparse.truncate(7_000_000)
    after = tmp_path / "after"
    after.write_bytes(b"what follows")
    command = ["tar", "-cSf", "-", *options, "-C", str(tmp_path), "sparse", "after"]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    reader = TarReader(io.BytesIO(data))
    members = iter(reader)
    member = next(members)
    assert member.name == "sparse"
    assert member.sparse is not None
    rebuilt = bytearray(member.real_size)
    for offset, length in member.sparse:
        read_end, write_end = os.pipe()
        reader.write_to(write_end, length)
        os.close(write_end)
        with open(read_end, "rb") as piece:
            rebuilt[offset : offset + length] = piece.read()
    assert bytes(rebuilt) == original.read_bytes()
    assert next(members).name == "after"


@pytest.mark.parametrize("variant", FORMATS)
def test_an_archive_cut_off_within_a_member_is_an_error(variant: int, tmp_path: Path) -> None:
    data = archive(file("n" * 100, b"content" * 1000), variant=variant).read()
    for cut in (100, 511, 600, 1000, 3000, 7000):
        with pytest.raises(ImageInvalidError, match="cut off"):
            members_of(data[:cut], tmp_path)


def test_a_header_that_was_changed_is_an_error(tmp_path: Path) -> None:
    data = bytearray(archive(file("name", b"x")).read())
    data[0] ^= 1
    with pytest.raises(ImageInvalidError, match="checksum"):
        members_of(bytes(data), tmp_path)


def test_checksums_of_signed_bytes_are_accepted(tmp_path: Path) -> None:
    block = bytearray(tarfile.TarInfo("n\xff").tobuf(tarfile.USTAR_FORMAT, encoding="latin-1"))
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(byte - 256 if byte > 127 else byte for byte in block)
    ((member, _),) = members_of(bytes(block) + bytes(1024), tmp_path)
    assert member.name == "n\udcff"


@pytest.mark.parametrize(
    "records",
    [b"x", b"5 a=b\n", b"99 a=b\n", b"6 a=bb", b"6 =bb\n", b"-6 a=b\n", b"1234567890" * 9],
)
def test_malformed_extended_headers_are_errors(records: bytes) -> None:
    with pytest.raises(ImageInvalidError):
        parse_records(records)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("uid", "-1"),
        ("uid", str(2**32)),
        ("gid", "x"),
        ("size", "1e9"),
        ("mtime", "soon"),
        ("mtime", "9" * 30),
    ],
)
def test_senseless_numbers_are_errors(key: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(ImageInvalidError):
        members_of(archive(file("a", pax_headers={key: value})).read(), tmp_path)


@pytest.mark.parametrize(
    "sparse_map",
    ["0", "0,5,3,5", "5,5,0,5", "0,11", "0,9999999999999999999999", "0,5", "a,b"],
)
def test_senseless_sparse_maps_are_errors(sparse_map: str, tmp_path: Path) -> None:
    headers = {"GNU.sparse.map": sparse_map, "GNU.sparse.size": "10"}
    with pytest.raises(ImageInvalidError, match="sparse"):
        members_of(archive(file("a", b"0123456789", pax_headers=headers)).read(), tmp_path)


def test_extended_headers_have_a_bound(tmp_path: Path) -> None:
    huge = tarfile.TarInfo("huge")
    huge.type = tarfile.XHDTYPE
    huge.size = 1 << 30
    with pytest.raises(ImageInvalidError, match="1073741824 bytes"):
        members_of(huge.tobuf(tarfile.USTAR_FORMAT), tmp_path)


@given(st.integers(-(2**60), 2**60))
def test_numbers_in_base_256_are_read(value: int) -> None:
    field = bytearray((value % 2**96).to_bytes(12, "big"))
    field[0] = 0xFF if value < 0 else 0x80
    assert number(bytes(field)) == value


@given(st.binary(max_size=4000))
def test_no_bytes_do_worse_than_an_error(data: bytes) -> None:
    with contextlib.suppress(ImageInvalidError):
        assert all(member.size >= 0 for member in TarReader(io.BytesIO(data)))


@given(st.integers(0, 1023), st.integers(0, 255))
def test_no_single_byte_of_a_header_can_be_changed_unnoticed(position: int, value: int) -> None:
    data = bytearray(archive(file("a", b"x", pax_headers={"SCHILY.xattr.user.a": "v"})).read())
    if data[position] == value:
        return
    data[position] = value
    try:
        names = [(member.name, member.size) for member in TarReader(io.BytesIO(bytes(data)))]
    except ImageInvalidError:
        return
    # Within the extended header's content there is no checksum.
    assert position >= 512 or names == [("a", 1)]
