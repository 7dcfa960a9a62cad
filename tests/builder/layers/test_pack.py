import gzip
import hashlib
import io
import os
import resource
import shutil
import socket
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.applied import apply
from support.trees import deep_folder, describe, names_below
from yadokari_builder.errors import BuilderError
from yadokari_builder.layers.changes import Changes
from yadokari_builder.layers.compression import DEFAULT_COMPRESSION, Compression, CompressionKind
from yadokari_builder.layers.held import hold
from yadokari_builder.layers.layer_file import LayerFile
from yadokari_builder.layers.members import Entry, FileContent, Members, members_of_changes, members_of_paths
from yadokari_builder.layers.pack import PackedLayer, pack
from yadokari_builder.layers.unpack import unpack
from yadokari_builder.oci import media_types
from yadokari_builder.rootfs.boundary import Boundary

PLAIN = Compression(CompressionKind.NONE)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in ("a", "d/one", "d/two", "e/f/g"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


@pytest.fixture
def out(tmp_path: Path) -> Path:
    out = tmp_path / "out"
    out.mkdir()
    return out


def pack_changes(changes: Changes, root: Path, out: Path) -> PackedLayer:
    return pack(members_of_changes(changes, Boundary(root)), out)


def pack_paths(
    paths: list[str],
    boundary: Boundary,
    out: Path,
    compression: Compression = DEFAULT_COMPRESSION,
    **how: Any,
) -> PackedLayer:
    return pack(members_of_paths(paths, boundary, **how), out, compression=compression)


def members(packed: PackedLayer) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(packed.file.open().read())) as tar:
        return tar.getmembers()


def names(packed: PackedLayer) -> list[str]:
    return [member.name for member in members(packed)]


def test_a_layer_holds_changes_with_their_parents_first(root: Path, out: Path) -> None:
    packed = pack_changes(Changes(("/a", "/d/two", "/e/f/g"), ("/d/gone", "/e/f/x")), root, out)
    assert names(packed) == ["a", "d", "d/.wh.gone", "d/two", "e", "e/f", "e/f/g", "e/f/.wh.x"]


def test_a_whiteout_is_an_empty_file_without_mode_and_time(root: Path, out: Path) -> None:
    (member,) = members(pack_changes(Changes((), ("/gone",)), root, out))
    assert (member.name, member.type, member.size) == (".wh.gone", tarfile.REGTYPE, 0)
    assert (member.mode, member.mtime, member.uid, member.gid) == (0, 0, 0, 0)


def test_a_layer_tells_its_digests_and_size(root: Path, out: Path) -> None:
    packed = pack_paths(["/a", "/d/one"], Boundary(root), out)
    blob = packed.file.open().read()
    descriptor = packed.layer.descriptor
    assert descriptor.digest.hex == hashlib.sha256(blob).hexdigest()
    assert descriptor.size == len(blob)
    assert packed.layer.diff_id.hex == hashlib.sha256(gzip.decompress(blob)).hexdigest()
    assert descriptor.media_type == media_types.OCI_LAYER_GZIP


@pytest.mark.parametrize("kind", CompressionKind)
def test_the_same_tree_gives_the_same_layer(kind: CompressionKind, root: Path, out: Path) -> None:
    again = root.parent / "again"
    shutil.copytree(root, again)
    layers = [
        pack_paths(
            ["/a", "/d", "/d/one", "/e/f/g"], Boundary(tree), out, compression=Compression(kind), timestamp=5
        )
        for tree in (root, again)
    ]
    assert layers[0].layer == layers[1].layer


def test_a_timestamp_is_the_latest_time(root: Path, out: Path) -> None:
    os.utime(root / "a", (3, 3))
    packed = pack_paths(["/a", "/d/one"], Boundary(root), out, timestamp=1000)
    assert [(member.name, member.mtime) for member in members(packed)] == [
        ("a", 3),
        ("d", 1000),
        ("d/one", 1000),
    ]


def test_times_are_whole_seconds_rounded_down(root: Path, out: Path) -> None:
    os.utime(root / "a", ns=(0, 7_999_999_999))
    os.utime(root / "d/one", ns=(0, -1))
    assert [m.mtime for m in members(pack_paths(["/a", "/d/one"], Boundary(root), out))][::2] == [7, -1]


def test_hard_links_within_a_layer_are_links_to_the_first_of_them(root: Path, out: Path) -> None:
    os.link(root / "d/two", root / "b")
    os.link(root / "d/two", root / "z")
    os.symlink("x", root / "l")
    os.link(root / "l", root / "m", follow_symlinks=False)
    packed = pack_paths(["/b", "/d/two", "/z", "/l", "/m"], Boundary(root), out)
    links = {m.name: (m.type, m.linkname, m.size) for m in members(packed)}
    assert links["b"] == (tarfile.REGTYPE, "", 5)
    assert links["d/two"] == links["z"] == (tarfile.LNKTYPE, "b", 0)
    assert links["l"] == (tarfile.SYMTYPE, "x", 0)
    assert links["m"] == (tarfile.LNKTYPE, "l", 0)


def test_one_name_of_a_file_alone_is_a_file(root: Path, out: Path) -> None:
    os.link(root / "a", root / "b")
    (member,) = members(pack_paths(["/b"], Boundary(root), out))
    assert (member.type, member.size) == (tarfile.REGTYPE, 1)


def test_sockets_and_what_is_excluded_are_left_out(root: Path, out: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(root / "socket"))
    boundary = Boundary(root, frozenset({"/d"}))
    assert names(pack_paths(["/", "/a", "/d/one", "/d", "/socket"], boundary, out)) == ["a"]


def test_entries_may_come_from_elsewhere(root: Path, out: Path) -> None:
    boundary = Boundary(root, frozenset({"/yadokari"}))
    source = root.parent / "source"
    source.write_text("from elsewhere")
    extra = [Entry("/yadokari/bin/python", str(source)), Entry("/d/copied", str(source))]
    packed = pack_paths([], boundary, out, extra=extra, timestamp=0)
    assert names(packed) == ["d", "d/copied", "yadokari", "yadokari/bin", "yadokari/bin/python"]
    made_up = members(packed)[2]
    assert (made_up.mode, made_up.uid, made_up.gid, made_up.type) == (0o755, 0, 0, tarfile.DIRTYPE)


@needs_root
def test_everything_about_a_tree_comes_back(root: Path, out: Path, tmp_path: Path) -> None:
    long = "n" * 200
    (root / long).mkdir()
    (root / long / ("ü" * 60)).write_bytes(os.urandom(3_000_000))
    (root / "link").symlink_to("t" * 300)
    (root / os.fsdecode(b"\xff\xfe")).write_text("no text")
    os.mknod(root / "null", 0o020666, os.makedev(1, 3))
    os.mkfifo(root / "fifo", 0o600)
    os.chown(root / "a", 3_000_000, 4_294_967_294)
    (root / "a").chmod(0o6711)
    os.setxattr(root / "a", "security.capability", bytes.fromhex("0100000200200000" + "00" * 12))
    os.setxattr(root / "a", "user.bytes", bytes(range(256)))
    os.setxattr(root / "d", "user.empty", b"")
    os.utime(root / "a", (2**34, 2**33))
    paths = [f"/{name}" for name in names_below(root)]
    for compression in (PLAIN, Compression(CompressionKind.ZSTD), Compression(level=6)):
        packed = pack_paths(paths, Boundary(root), out, compression)
        again = tmp_path / str(compression)
        again.mkdir()
        with packed.file.open() as blob:
            assert not apply(blob, packed.layer.diff_id, Boundary(again))
        assert describe(again, whole_seconds=True) == describe(root, whole_seconds=True)


def test_an_empty_layer_is_an_archive_without_members(root: Path, out: Path) -> None:
    packed = pack(members_of_changes(Changes(), Boundary(root)), out, compression=PLAIN)
    assert packed.file.open().read() == bytes(1024)


class TestLayerFile:
    def test_a_file_that_became_shorter_is_an_error_and_leaves_nothing(self, root: Path, out: Path) -> None:
        with pytest.raises(BuilderError, match="became shorter"), LayerFile(out, PLAIN) as layer:
            FileContent(str(root / "a")).write_to(layer, 10)
        assert list(out.iterdir()) == []

    def test_a_file_that_grows_is_taken_as_long_as_it_was(self, root: Path, out: Path) -> None:
        (root / "a").write_text("longer than before")
        with LayerFile(out, PLAIN) as layer:
            FileContent(str(root / "a")).write_to(layer, 6)
            layer.finish()
        assert layer.file.open().read()[:512] == b"longer" + bytes(506)

    def test_content_across_many_buffers_is_whole(self, root: Path, out: Path) -> None:
        content = os.urandom(5_000_001)
        (root / "a").write_bytes(content)
        with LayerFile(out, PLAIN) as layer:
            layer.write(b"x" * 700)
            FileContent(str(root / "a")).write_to(layer, len(content))
            layer.write(content[:3_000_000])
            layer.finish()
        expected = b"x" * 700 + content + bytes(-len(content) % 512) + content[:3_000_000] + bytes(1024)
        assert layer.file.open().read() == expected

    def test_errors_of_writing_are_raised(self, out: Path) -> None:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"), LayerFile(out, PLAIN) as layer:
                layer.write(bytes(20_000_000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert list(out.iterdir()) == []


def test_unpack_reads_what_pack_writes_without_compression(root: Path, out: Path, tmp_path: Path) -> None:
    packed = pack_paths(["/d/one"], Boundary(root), out, PLAIN)
    again = tmp_path / "again"
    again.mkdir()
    unpack(io.BytesIO(packed.file.open().read()), Boundary(again))
    assert (again / "d/one").read_text() == "d/one"


def test_a_file_is_packed_however_deep_it_lies(tmp_path: Path, out: Path) -> None:
    with deep_folder(tmp_path, 1100, "a") as deep:
        path = "/a" * 1100 + "/file"
        packed = pack_paths([path], Boundary(deep), out, PLAIN)
        with tarfile.open(fileobj=io.BytesIO(packed.file.open().read())) as archive:
            assert archive.getnames()[-2:] == [path[1:-5], path[1:]]


def content_of(root: Path, out: Path) -> str:
    paths = [f"/{name}" for name in names_below(root)]
    return pack(members_of_paths(paths, Boundary(root)), out, with_content=True).content


def test_a_layer_can_be_known_by_what_is_in_it_without_times(root: Path, out: Path) -> None:
    (root / ("long" * 40)).touch()
    before = content_of(root, out)
    for second in (1, -1, 1 << 33):
        for name in ("a", "d", "long" * 40):
            os.utime(root / name, (second, second))
        assert content_of(root, out) == before != ""
    assert pack_paths(["/a"], Boundary(root), out).content == "", "where nobody asks for it"


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "a").write_text("b"),
        lambda root: (root / "a").write_text("longer"),
        lambda root: (root / "a").chmod(0o700),
        lambda root: (root / "d").chmod(0o700),
        lambda root: (root / "a").rename(root / "b"),
        lambda root: (root / "link").symlink_to("a"),
        lambda root: os.link(root / "a", root / "b"),
        lambda root: os.setxattr(root / "a", "user.a", b"b"),
        lambda root: os.mkfifo(root / "fifo"),
    ],
    ids=["content", "size", "mode", "folder", "name", "link", "hard link", "attribute", "fifo"],
)
def test_all_that_is_in_a_layer_but_times_is_in_that_name(
    change: Callable[[Path], object], root: Path, out: Path
) -> None:
    before = content_of(root, out)
    change(root)
    assert content_of(root, out) != before


def test_where_the_content_is_held_is_no_matter(root: Path, out: Path) -> None:
    (root / "large").write_bytes(os.urandom(3 << 20))
    paths = [f"/{name}" for name in names_below(root)]

    def members() -> Members:
        return members_of_paths(paths, Boundary(root))

    packed = [
        pack(hold(members(), limit, out), out, with_content=True).content for limit in (0, 1 << 20, 8 << 20)
    ]
    assert {*packed} == {content_of(root, out)}
