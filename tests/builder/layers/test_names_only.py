"""An image of which only the names are unpacked has the same folders, links and names as the whole."""

import io
import os
import stat
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from support.archives import ACL, Member, archive, directory, file, hard_link, link, node
from support.trees import Described, describe
from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.layers.compression import decompress
from yadokari_builder.layers.outline import MOST_MEMBERS, OutlineReader, OutlineWriter
from yadokari_builder.layers.tar_member import Kind
from yadokari_builder.layers.tar_member import Member as Read
from yadokari_builder.layers.tar_reader import TarReader
from yadokari_builder.layers.unpack import is_placeholder, unpack, unpack_outline
from yadokari_builder.oci.digest import Digest
from yadokari_builder.rootfs.boundary import Boundary

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root")

NAMES = st.sampled_from(["a", "b", "c", "passwd", ".wh.a", ".wh.b", ".wh..wh..opq"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
MODES = st.sampled_from([0o600, 0o755, 0o2755, 0o4711])
OWNERS = st.sampled_from([0, 1, 70_000])
MEMBERS = st.one_of(
    st.builds(file, PATHS, st.binary(max_size=20), mode=MODES, uid=OWNERS),
    st.builds(directory, PATHS, mode=MODES, uid=OWNERS, mtime=st.integers(0, 2**31)),
    st.builds(link, PATHS, PATHS.map(lambda path: f"../{path}"), uid=OWNERS),
    st.builds(hard_link, PATHS, PATHS),
    st.builds(node, PATHS, st.just(tarfile.FIFOTYPE)),
)


def unpacked(root: Path, layers: Sequence[Sequence[Member]], *, names_only: bool) -> str:
    """Unpack layers; returns what is wrong with them, if anything is."""
    try:
        for layer in layers:
            unpack(archive(*layer), Boundary(root, frozenset({"/b/c"})), names_only=names_only)
    except ImageInvalidError as error:
        return str(error)
    return ""


def outline(root: Path) -> dict[str, Described | None]:
    """Tell all about folders and links but their times, which the clock sets; of files that they are."""
    return {
        name: described._replace(mtime=0) if is_folder_or_link(described) else None
        for name, described in describe(root).items()
    }


def is_folder_or_link(described: Described) -> bool:
    mode = int(described.mode, 8)
    return stat.S_ISDIR(mode) or stat.S_ISLNK(mode)


@pytest.mark.long
@needs_root
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(MEMBERS, max_size=8), max_size=3))
def test_the_names_of_any_image_are_those_of_the_whole(layers: list[list[Member]]) -> None:
    with TemporaryDirectory() as folder:
        whole, names = Path(folder, "whole"), Path(folder, "names")
        for root in (whole, names):
            (root / "b/c").mkdir(parents=True)
        assert unpacked(whole, layers, names_only=False) == unpacked(names, layers, names_only=True)
        assert outline(whole) == outline(names)


@pytest.mark.long
@needs_root
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(MEMBERS, max_size=8), max_size=3), st.booleans())
def test_an_outline_gives_the_names_of_any_layer(layers: list[list[Member]], names_only: bool) -> None:
    with TemporaryDirectory() as folder:
        whole, names, outlined = (Path(folder, name) for name in ("whole", "names", "outlined"))
        for root in (whole, names, outlined):
            (root / "b/c").mkdir(parents=True)
        assume(not unpacked(names, layers, names_only=True))
        for layer in layers:
            sketch = OutlineWriter()
            unpack(
                archive(*layer),
                Boundary(whole, frozenset({"/b/c"})),
                names_only=names_only,
                watch=sketch,
            )
            made = sketch.finish()
            if made is None:  # accounts are where this pod leaves them out
                return
            unpack_outline(decompress(io.BytesIO(made.data)), Boundary(outlined, frozenset({"/b/c"})))
        assert without_clock(names) == without_clock(outlined)


def test_an_outline_of_many_names_and_folders_has_them_in_their_order() -> None:
    members = []
    for number in range(600):
        names = [file(f"{number}/{name}", b"content") for name in range(number % 5)]
        members += [directory(f"{number}"), *names, link(f"{number}/link", f"../{number}")]
    sketch = OutlineWriter()
    reader = TarReader(archive(*members), watch=sketch)
    in_order = [member.name for member in reader]
    made = sketch.finish()
    assert made
    stream = decompress(io.BytesIO(made.data))
    plain = b"".join(iter(lambda: stream.read(1 << 16), b""))
    assert made.diff_id == Digest.of(plain)
    assert [member.name for member in OutlineReader(io.BytesIO(plain))] == in_order


def test_an_outline_tells_what_only_an_extended_header_does() -> None:
    long = "/".join(["folder"] * 40)
    members = [directory(long, uid=1 << 22), link(f"{long}/link", f"../{long}"), file(f"{long}/" + "n" * 120)]
    sketch = OutlineWriter()
    expected = [*TarReader(archive(*members), watch=sketch)]
    made = sketch.finish()
    assert made
    found = [*OutlineReader(decompress(io.BytesIO(made.data)))]
    assert found[:2] == expected[:2]
    assert found[2].name == expected[2].name


def test_there_is_no_outline_of_more_members_than_one_may_have() -> None:
    sketch, member = OutlineWriter(), Read("a", Kind.FILE, 0o644, 0, 0, 0, 0)
    for _ in range(MOST_MEMBERS + 1):
        sketch.add(member)
    assert sketch.finish() is None


def test_an_outline_of_too_many_members_is_refused_before_they_are_made() -> None:
    hostile = archive(file("yadokari.names", bytes(MOST_MEMBERS + 1)))
    with pytest.raises(ImageInvalidError, match=f"more than {MOST_MEMBERS} members"):
        next(iter(OutlineReader(hostile)))


def without_clock(root: Path) -> dict[str, Described]:
    """Tell all about a tree, but for times that no member has set."""
    now = time.time_ns()
    return {
        name: described._replace(mtime=0) if abs(now - described.mtime) < 3600 * 10**9 else described
        for name, described in describe(root).items()
    }


@needs_root
def test_files_of_which_names_are_enough_have_no_content(tmp_path: Path) -> None:
    unpack(
        archive(file("bin/sh", b"binary", mode=0o755), file("etc/passwd", b"root")),
        Boundary(tmp_path),
        names_only=True,
    )
    assert is_placeholder(os.lstat(tmp_path / "bin/sh"))
    assert (tmp_path / "etc/passwd").read_bytes() == b"root"


@needs_root
def test_a_hard_link_to_a_placeholder_is_one(tmp_path: Path) -> None:
    unpack(
        archive(
            file("lib/accounts", b"root", mode=0o644), hard_link("etc/passwd", "lib/accounts", mode=0o644)
        ),
        Boundary(tmp_path),
        names_only=True,
    )
    assert is_placeholder(os.lstat(tmp_path / "etc/passwd"))


@needs_root
def test_a_placeholder_inherits_nothing_of_its_folder(tmp_path: Path) -> None:
    acl = ACL.decode("utf-8", "surrogateescape")
    attributes = {"SCHILY.xattr.system.posix_acl_default": acl}
    layers = [[directory("d", pax_headers=attributes), file("d/same", b"")], [file("d/next", b"")]]
    assert not unpacked(tmp_path, layers, names_only=True)
    for name in ("same", "next"):
        assert os.listxattr(tmp_path / "d" / name) == []
        assert is_placeholder(os.lstat(tmp_path / "d" / name))
