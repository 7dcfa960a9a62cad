from pathlib import Path

import pytest

from yadokari_builder.rootfs import xattrs
from yadokari_builder.rootfs.xattrs import of_image, read_xattrs

VERSION_2 = bytes.fromhex("0100000200040000" + "00" * 12)
VERSION_3 = bytes.fromhex("0100000300040000" + "00" * 12 + "00000100")


def test_capabilities_of_a_user_namespace_become_those_of_any_root() -> None:
    assert of_image("security.capability", VERSION_3) == VERSION_2


@pytest.mark.parametrize("value", [VERSION_2, b"", b"odd", VERSION_3 + b"x"])
def test_other_values_stay(value: bytes) -> None:
    assert of_image("security.capability", value) == value
    assert of_image("user.capability", VERSION_3) == VERSION_3


def test_what_is_read_is_of_an_image(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    # Of a namespace whose root is nobody's here.
    assert xattrs.set_xattr(str(file), "security.capability", VERSION_3)
    assert read_xattrs(str(file)) == {"security.capability": VERSION_2}
