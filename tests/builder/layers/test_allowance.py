"""What may come in: a bound in bytes, and the room that the disk has."""

import io
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hostile_archives import END, content, extended, header, octal
from yadokari_builder.layers.allowance import Allowance, TooLargeError
from yadokari_builder.layers.unpack import unpack
from yadokari_builder.rootfs.boundary import Boundary

MIB = 1 << 20


class Zeros(io.RawIOBase):
    """An archive with one file that does not end."""

    def __init__(self) -> None:
        self._head = header(size=octal(0o77777777777))

    def read(self, size: int = -1, /) -> bytes:
        head, self._head = self._head, b""
        return head or bytes(size)


def taken(folder: Path) -> int:
    return sum(path.lstat().st_blocks for path in folder.rglob("*")) * 512


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_file_without_end_stops_at_the_limit(tmp_path: Path) -> None:
    with pytest.raises(TooLargeError, match=r"more than 3145728 bytes .* --image-unpack-limit"):
        unpack(Zeros(), Boundary(tmp_path), allowance=Allowance(tmp_path, 3 * MIB))  # type: ignore[arg-type]
    assert taken(tmp_path) <= 3 * MIB


def test_a_file_without_end_stops_before_the_disk_is_full(small_disk: Path) -> None:
    with pytest.raises(TooLargeError, match=r"no room for it: .* kept as a reserve: give the pod more disk"):
        unpack(Zeros(), Boundary(small_disk), allowance=Allowance(small_disk))  # type: ignore[arg-type]
    free = os.statvfs(small_disk)
    assert 2 * MIB < free.f_bavail * free.f_frsize < 6 * MIB


def test_a_disk_that_somebody_else_fills_is_seen(small_disk: Path) -> None:
    allowance = Allowance(small_disk)
    allowance.take(MIB)
    (small_disk / "other").write_bytes(bytes(38 * MIB))
    with pytest.raises(TooLargeError, match="no room"):
        allowance.take(30 * MIB)


def test_what_fits_on_a_disk_that_is_nearly_full_is_unpacked(small_disk: Path) -> None:
    (small_disk / "other").write_bytes(bytes(38 * MIB))
    Allowance(small_disk).take(MIB)


def test_holes_of_a_sparse_file_are_no_content(tmp_path: Path) -> None:
    sparse = ((b"GNU.sparse.map", b"0,5"), (b"GNU.sparse.size", b"%d" % (1 << 40)))
    archive = extended(*sparse) + header(size=octal(5)) + content(b"12345") + END
    unpack(io.BytesIO(archive), Boundary(tmp_path), allowance=Allowance(tmp_path, 10_000))
    assert (tmp_path / "f").stat().st_size == 1 << 40


def test_names_take_room_too(tmp_path: Path) -> None:
    archive = b"".join(header(b"d%d" % number, flag=b"5") for number in range(300)) + END
    with pytest.raises(TooLargeError):
        unpack(io.BytesIO(archive), Boundary(tmp_path), allowance=Allowance(tmp_path, 100_000))
    assert 100 < len(os.listdir(tmp_path)) < 200
