"""Values of secrets, found in layers while these are packed."""

import base64
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_builder.layers.compression import Compression, CompressionKind
from yadokari_builder.layers.leaks import NOTHING, Search, Sought
from yadokari_builder.layers.members import members_of_paths
from yadokari_builder.layers.pack import pack
from yadokari_builder.rootfs.boundary import Boundary

VALUE = b"hunter2-hunter2"
BUFFER = 1 << 20


def leaks(folder: Path, sought: Sought) -> dict[str, list[str]]:
    root, out = folder / "root", folder / "out"
    out.mkdir()
    paths = [f"/{path.relative_to(root)}" for path in root.rglob("*")]
    packed = pack(
        members_of_paths(paths, Boundary(root)), out,
        compression=Compression(CompressionKind.NONE), sought=sought,
    )  # fmt: skip
    return {name: list(found) for name, found in packed.leaks.items()}


def made(folder: Path, **contents: bytes) -> Path:
    (folder / "root").mkdir()
    for name, content in contents.items():
        (folder / "root" / name).write_bytes(content)
    return folder


def test_a_value_is_found_in_the_files_that_hold_it(tmp_path: Path) -> None:
    folder = made(tmp_path, a=b"nothing", b=b"x" * 700 + VALUE + b"y", c=VALUE + b"\n", d=VALUE[:-1])
    assert leaks(folder, Sought.of({"token": VALUE + b"\n", "other": b"not-there"})) == {"token": ["b", "c"]}


@pytest.mark.parametrize("before", [*range(BUFFER - 600, BUFFER - 480, 7), 5 * BUFFER - 520])
def test_the_border_of_two_pieces_hides_nothing(tmp_path: Path, before: int) -> None:
    folder = made(tmp_path, large=bytes(before) + VALUE + os.urandom(BUFFER), last=b"")
    assert leaks(folder, Sought.of({"token": VALUE})) == {"token": ["large"]}


def test_a_value_may_be_anywhere_of_a_member(tmp_path: Path) -> None:
    root = made(tmp_path) / "root"
    (root / "link").symlink_to(f"/{VALUE.decode()}")
    (root / f"name-{VALUE.decode()}").mkdir()
    os.setxattr(root, "user.a", b"not looked at: the root has no member")
    (root / "file").touch()
    os.setxattr(root / "file", "user.a", VALUE)
    found = leaks(tmp_path, Sought.of({"token": VALUE}))
    assert found == {"token": ["file", "link", f"name-{VALUE.decode()}/"]}


def test_of_many_files_the_first_are_named(tmp_path: Path) -> None:
    folder = made(tmp_path, **{f"f{number}": VALUE * 3 for number in range(9)})
    assert leaks(folder, Sought.of({"token": VALUE})) == {"token": ["f0", "f1", "f2", "f3"]}


@given(st.binary(min_size=8, max_size=300), st.binary(max_size=4), st.binary(max_size=4), st.booleans())
def test_base64_hides_no_value(value: bytes, before: bytes, after: bytes, urlsafe: bool) -> None:
    encode = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    if len(value.strip()) >= 8:
        assert found_in(encode(before + value + after), value)


@given(st.binary(min_size=8, max_size=5000))
def test_lines_of_base64_hide_no_value(value: bytes) -> None:
    if len(value.strip()) >= 8:
        assert found_in(base64.encodebytes(value.lstrip()), value)


@given(
    st.binary(max_size=50), st.binary(min_size=8, max_size=40), st.binary(max_size=50),
    st.lists(st.integers(1, 20)),
)  # fmt: skip
def test_pieces_of_any_size_hide_no_value(
    before: bytes, value: bytes, after: bytes, sizes: list[int]
) -> None:
    if len(value.strip()) >= 8:
        assert found_in(before + value + after, value, sizes)


def found_in(data: bytes, value: bytes, sizes: list[int] | None = None) -> bool:
    search = Sought.of({"secret": value}).search()
    assert search
    search.begin("member", 0)
    for size in [*(sizes or []), len(data)]:
        search.feed(bytearray(data[:size]), len(data[:size]))
        data = data[size:]
    return search.found == {"secret": ["member"]}


@given(st.lists(st.tuples(st.integers(1, 30), st.booleans()), max_size=12), st.integers(1, 25))
def test_the_member_that_is_named_is_the_one(members: list[tuple[int, bool]], piece: int) -> None:
    value = b"12345678"
    contents = [bytes(size) + value * held + bytes(4) for size, held in members]
    search = Search({"secret": frozenset({value})})
    rest, offset = bytearray(), 0
    for number, content in enumerate(contents):
        search.begin(str(number), offset)
        offset += len(content)
        rest += content
        while len(rest) >= piece:
            search.feed(rest[:piece], piece)
            del rest[:piece]
    search.feed(rest, len(rest))
    assert search.found.get("secret", []) == [str(n) for n, (_, held) in enumerate(members) if held][:4]


@pytest.mark.parametrize("value", [b"", b"1234567", b"  1234567\n", b"\n" * 20])
def test_what_is_too_short_to_mean_something_is_not_looked_for(value: bytes) -> None:
    assert Sought.of({"short": value}).search() is None
    assert NOTHING.search() is None


def test_no_text_shows_a_value() -> None:
    assert "hunter" not in repr(Sought.of({"token": VALUE}))
