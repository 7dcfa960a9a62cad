from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.libraries import edit, lengthened


def test_a_compiled_in_path_is_replaced_without_moving_what_follows(tmp_path: Path) -> None:
    library = tmp_path / "libc.so.6"
    library.write_bytes(b"ELF\0/etc/gai.conf\0rest")
    edit(library, {"/etc/gai.conf": "/y/g"})
    assert library.read_bytes() == b"ELF\0/y/g\0\0\0\0\0\0\0\0\0\0rest"


def test_a_path_that_is_part_of_another_is_left_alone(tmp_path: Path) -> None:
    library = tmp_path / "libcrypto.so.3"
    library.write_bytes(b"\0/usr/lib/ssl\0/usr/lib/ssl/certs\0")
    edit(library, {"/usr/lib/ssl": "/y/e"})
    assert b"\0/usr/lib/ssl/certs\0" in library.read_bytes()


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    library = tmp_path / "libc.so.6"
    library.write_bytes(b"\0/etc/hosts\0")
    with pytest.raises(ValueError, match=r"libc\.so\.6: /etc/gai\.conf cannot be replaced"):
        edit(library, {"/etc/gai.conf": "/y/g"})


def test_a_longer_path_is_refused(tmp_path: Path) -> None:
    library = tmp_path / "libc.so.6"
    library.write_bytes(b"\0/etc/g\0")
    with pytest.raises(ValueError, match="cannot be replaced"):
        edit(library, {"/etc/g": "/yadokari/e/g"})


@given(st.integers(min_value=3, max_value=80))
def test_a_lengthened_folder_is_the_same_folder(length: int) -> None:
    folder = lengthened("/y/", length)
    assert len(folder) == length
    assert folder.endswith("/")
    assert Path(folder) == Path("/y")
