import bz2
import gzip
import io
import lzma
import os
import tarfile
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings

from support.folders import remove_tree
from support.hostile_archives import ARCHIVES, END, extended, header
from support.trees import describe
from yadokari_builder.errors import ContextError


def _archive(*members: tuple[str, str] | tarfile.TarInfo) -> bytes:
    """Make an archive of files (name, text) and of other members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                info.uid, info.gid, info.mode, info.mtime = 12, 34, 0o640, 1_500_000_000
                archive.addfile(info, io.BytesIO(member[1].encode()))
    return buffer.getvalue()


def _member(name: str, kind: bytes, link: str = "", mode: int = 0o755) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    return info


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_add_unpacks_an_archive_whatever_its_name(workshop: Any, compress: Callable[[bytes], bytes]) -> None:
    workshop.context.joinpath("data").write_bytes(compress(_archive(("d/a", "A"), ("b", "B"))))
    outcome = workshop.do("ADD data /x")
    assert workshop.tree() == {"x": None, "x/b": "B", "x/d": None, "x/d/a": "A"}
    assert workshop.owner("x/d/a") == (12, 34)
    assert workshop.mode("x/d/a") == 0o640
    assert os.stat(workshop.root / "x/b").st_mtime == 1_500_000_000
    assert outcome.paths == ("/x", "/x/b", "/x/d", "/x/d/a")


def test_what_is_no_archive_is_copied(workshop: Any) -> None:
    workshop.context.joinpath("a.tar.gz").write_bytes(gzip.compress(b"text"))
    workshop.context.joinpath("b.tar").write_bytes(bytes(10240))
    workshop.context.joinpath("c.tar").write_text("text" * 1000)
    workshop.do("ADD a.tar.gz b.tar c.tar /x/")
    assert sorted(os.listdir(workshop.root / "x")) == ["a.tar.gz", "b.tar", "c.tar"]


def test_copy_does_not_unpack_and_add_need_not(workshop: Any) -> None:
    workshop.context.joinpath("a.tar").write_bytes(_archive(("b", "B")))
    workshop.do("COPY a.tar /x/")
    workshop.do("ADD --unpack=false a.tar /y/")
    assert os.listdir(workshop.root / "x") == os.listdir(workshop.root / "y") == ["a.tar"]


def test_chown_is_for_members_and_chmod_is_not(workshop: Any) -> None:
    workshop.context.joinpath("a.tar").write_bytes(_archive(("b", "B")))
    workshop.do("ADD --chown=5:6 --chmod=777 a.tar /x/")
    assert workshop.owner("x") == workshop.owner("x/b") == (5, 6)
    assert workshop.mode("x/b") == 0o640


def test_a_file_that_an_archive_links_to_comes_into_the_layer_with_its_new_name(workshop: Any) -> None:
    workshop.root.joinpath("there").write_text("there")
    link = _member("link", tarfile.LNKTYPE, link="there")
    workshop.context.joinpath("a.tar").write_bytes(_archive(link))
    assert set(workshop.do("ADD a.tar /").paths) >= {"/link", "/there"}


def test_a_linked_add_does_not_link_to_what_is_there_already(workshop: Any) -> None:
    link = _member("link", tarfile.LNKTYPE, link="there")
    workshop.root.joinpath("there").write_text("secretly in the layer")
    workshop.context.joinpath("a.tar").write_bytes(_archive(("own", "own"), link))
    with pytest.raises(ContextError, match="'link': a link to 'there', which is not there"):
        workshop.do("ADD --link a.tar /")
    link.linkname = "own"
    workshop.context.joinpath("a.tar").write_bytes(_archive(("own", "own"), link))
    workshop.do("ADD --link a.tar /")
    assert workshop.tree()["link"] == "own"


def test_attributes_that_the_node_refuses_are_named_once(
    workshop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    members = [_member(name, tarfile.REGTYPE) for name in ("a", "b")]
    for member in members:
        member.pax_headers = {"SCHILY.xattr.unknown.note": "x"}
    workshop.context.joinpath("a.tar").write_bytes(_archive(*members))
    workshop.do("ADD a.tar /")
    assert caplog.messages == ["the node refuses attributes of files, which are left out: unknown.note"]


def test_names_of_attributes_are_shown_printable(workshop: Any, caplog: pytest.LogCaptureFixture) -> None:
    archive = extended((b"SCHILY.xattr.\x1b[31m\n", b"x")) + header() + END
    workshop.context.joinpath("a.tar").write_bytes(archive)
    workshop.do("ADD a.tar /")
    assert caplog.messages == ["the node refuses attributes of files, which are left out: \\x1b[31m\\n"]


def test_members_replace_what_is_there_and_folders_merge(workshop: Any) -> None:
    content = _archive(("dir", "file"), _member("file", tarfile.DIRTYPE), _member("both", tarfile.DIRTYPE))
    workshop.context.joinpath("a.tar").write_bytes(content)
    workshop.fill_root({"dir/a": "A", "file": "text", "both/kept": "K"})
    workshop.do("ADD a.tar /")
    assert workshop.tree() == {"both": None, "both/kept": "K", "dir": "file", "file": None}


def test_members_do_not_leave_the_destination(workshop: Any) -> None:
    content = _archive(
        ("../../up", "U"),
        _member("out", tarfile.SYMTYPE, "../../../etc"),
        ("out/passwd", "P"),
        _member("absolute", tarfile.SYMTYPE, "/etc"),
        ("absolute/group", "G"),
    )
    workshop.context.joinpath("a.tar").write_bytes(content)
    workshop.fill_root({"etc/passwd": "kept"})
    workshop.do("ADD a.tar /x/")
    tree = workshop.tree()
    assert tree["etc/passwd"] == "kept"
    assert tree["x/up"] == "U"
    assert tree["x/etc/passwd"] == "P"
    assert tree["x/etc/group"] == "G"


def test_hard_links_in_an_archive_are_links(workshop: Any) -> None:
    workshop.context.joinpath("a.tar").write_bytes(_archive(("a", "A"), _member("b", tarfile.LNKTYPE, "a")))
    workshop.do("ADD a.tar /x/")
    assert os.path.samefile(workshop.root / "x/a", workshop.root / "x/b")


def test_a_hard_link_to_nothing_is_an_error(workshop: Any) -> None:
    workshop.context.joinpath("a.tar").write_bytes(_archive(_member("b", tarfile.LNKTYPE, "../etc/passwd")))
    with pytest.raises(ContextError, match=r"'b': a link to '\.\./etc/passwd', which is not there"):
        workshop.do("ADD a.tar /x/")


def test_members_over_the_executor_s_own_are_staged(workshop: Any) -> None:
    workshop.context.joinpath("a.tar").write_bytes(_archive(("yadokari/bin", "theirs"), ("app", "A")))
    workshop.fill_root({"yadokari/bin": "ours"})
    outcome = workshop.with_(excluded=frozenset({"/yadokari"})).do("ADD a.tar /")
    assert workshop.tree() == {"app": "A", "yadokari": None, "yadokari/bin": "ours"}
    assert [staged.path for staged in outcome.staged] == ["/yadokari", "/yadokari/bin"]


def test_a_broken_archive_is_named(workshop: Any) -> None:
    whole = gzip.compress(_archive(("a", "A" * 100_000)))
    workshop.context.joinpath("a.tgz").write_bytes(whole[: len(whole) - 20])
    with pytest.raises(ContextError, match=r"a\.tgz"):
        workshop.do("ADD a.tgz /x/")


def test_a_sparse_member_keeps_its_holes(workshop: Any, tmp_path: Path) -> None:
    with open(tmp_path / "s", "wb") as file:
        file.seek(16 << 20)
        file.write(b"end")
    archive = workshop.context / "a.tar"
    assert os.system(f"tar -C {tmp_path} -S -cf {archive} s") == 0
    workshop.do("ADD a.tar /x/")
    status = os.stat(workshop.root / "x/s")
    assert status.st_size == (16 << 20) + 3
    assert status.st_blocks * 512 < 1 << 20


@pytest.mark.parametrize("name", ["/", "..", "a/../..", "/.", "./"])
@pytest.mark.parametrize("kind", [tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.SYMTYPE])
def test_a_member_never_takes_the_place_of_the_destination(workshop: Any, name: str, kind: bytes) -> None:
    workshop.context.joinpath("a.tar").write_bytes(_archive(("b", "B"), _member(name, kind, "t", 0o700)))
    workshop.fill_root({"kept": "K"})
    mode = workshop.mode(".")
    workshop.do("ADD a.tar /")
    assert workshop.tree() == {"b": "B", "kept": "K"}
    assert workshop.mode(".") == mode


def test_what_a_replaced_folder_held_was_not_written(workshop: Any) -> None:
    content = _archive(("d/e/f", "F"), ("d", "D"))
    workshop.context.joinpath("a.tar").write_bytes(content)
    assert workshop.do("ADD a.tar /x/").paths == ("/x", "/x/d")


def test_heads_of_members_are_not_kept(workshop: Any) -> None:
    with open(workshop.context / "a.tar", "wb") as file:
        for number in range(30):
            file.write(extended((b"SCHILY.xattr.refused.%d" % number, b"x" * 900_000)))
            file.write(header(b"d%d" % number, flag=b"5"))
        file.write(END)
    tracemalloc.start()
    try:
        workshop.do("ADD a.tar /x/")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 << 20


@pytest.mark.long
@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(archive=ARCHIVES)
def test_no_archive_does_worse_than_an_error(workshop: Any, archive: bytes) -> None:
    shop = workshop.with_(excluded=frozenset({"/x/kept"}))
    outside = workshop.context.parent / "outside"
    outside.mkdir(exist_ok=True)
    outside.joinpath("file").write_text("outside")
    shop.fill_root({"x/kept/file": "kept"})
    shop.context.joinpath("a.tar").write_bytes(archive)
    before = describe(outside), describe(shop.root / "x/kept")
    with suppress(ContextError):
        shop.do("ADD a.tar /x/")
    assert (describe(outside), describe(shop.root / "x/kept")) == before
    assert sorted(os.listdir(shop.root)) == ["x"]
    for folder in (shop.root / "x", shop.staging / "x"):
        remove_tree(folder)
