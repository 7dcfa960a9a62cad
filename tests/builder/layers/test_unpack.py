import io
import os
import signal
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from support.archives import ACL, Member, archive, directory, file, hard_link, link, node
from support.trees import describe
from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.layers.unpack import UnpackReport, unpack
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.tree import clear

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root")
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")


def apply(root: Path, *members: Member, excluded: frozenset[str] = frozenset()) -> UnpackReport:
    return unpack(archive(*members), Boundary(root, excluded))


def xattr(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@needs_root
def test_every_kind_of_member_is_made_with_owner_mode_and_time(tmp_path: Path) -> None:
    kept = {"uid": 1234, "gid": 4321, "pax_headers": {"mtime": "1500000000.123456789"}}
    report = apply(
        tmp_path,
        directory("d", mode=0o2750, **kept),
        file("d/suid", b"text", mode=0o4711, **kept),
        file("d/open", b"text", mode=0o666, **kept),
        link("d/link", "suid", **kept),
        hard_link("d/hard", "d/suid", mode=0o4711, **kept),
        node("d/tty", tarfile.CHRTYPE, devmajor=5, devminor=1, mode=0o620, **kept),
        node("d/disk", tarfile.BLKTYPE, devmajor=8, devminor=300, mode=0o660, **kept),
        node("d/fifo", tarfile.FIFOTYPE, mode=0o622, **kept),
    )
    assert not report
    tree = describe(tmp_path)
    assert {described.owner for described in tree.values()} == {(1234, 4321)}
    assert {described.mtime for described in tree.values()} == {1_500_000_000_123_456_789}
    assert {name: described.mode for name, described in tree.items()} == {
        "d": oct(stat.S_IFDIR | 0o2750),
        "d/suid": oct(stat.S_IFREG | 0o4711),
        "d/open": oct(stat.S_IFREG | 0o666),
        "d/link": oct(stat.S_IFLNK | 0o777),
        "d/hard": oct(stat.S_IFREG | 0o4711),
        "d/tty": oct(stat.S_IFCHR | 0o620),
        "d/disk": oct(stat.S_IFBLK | 0o660),
        "d/fifo": oct(stat.S_IFIFO | 0o622),
    }
    assert tree["d/suid"].first_name == tree["d/hard"].first_name
    assert tree["d/tty"].device == os.makedev(5, 1)
    assert tree["d/disk"].device == os.makedev(8, 300)


@needs_root
def test_extended_attributes_are_set_and_survive_owner_and_mode(tmp_path: Path) -> None:
    headers = {
        "SCHILY.xattr.security.capability": xattr(CAPABILITY),
        "SCHILY.xattr.user.note": "kept",
        "SCHILY.xattr.system.posix_acl_access": xattr(ACL),
    }
    default = {"SCHILY.xattr.system.posix_acl_default": xattr(ACL)}
    report = apply(
        tmp_path,
        file("ping", b"x", uid=5, mode=0o775, pax_headers=headers),
        directory("d", mode=0o775, pax_headers=default),
        file("d/plain", mode=0o600),
    )
    assert not report
    tree = describe(tmp_path)
    assert dict(tree["ping"].xattrs) == {
        "security.capability": CAPABILITY,
        "user.note": b"kept",
        "system.posix_acl_access": ACL,
    }
    assert dict(tree["d"].xattrs) == {"system.posix_acl_default": ACL}
    assert tree["d/plain"].xattrs == ()
    assert tree["d/plain"].mode == oct(stat.S_IFREG | 0o600)


@needs_root
def test_what_a_directory_of_a_lower_layer_hands_down_is_not_taken(tmp_path: Path) -> None:
    default = {"SCHILY.xattr.system.posix_acl_default": xattr(ACL)}
    apply(tmp_path, directory("d", gid=7, mode=0o2775, pax_headers=default))
    apply(tmp_path, file("d/file", mode=0o640), directory("d/sub", mode=0o700), link("d/link", "file"))
    tree = describe(tmp_path)
    assert [tree[f"d/{name}"].owner for name in ("file", "sub", "link")] == [(0, 0)] * 3
    assert [tree[f"d/{name}"].xattrs for name in ("file", "sub")] == [(), ()]
    assert tree["d/file"].mode == oct(stat.S_IFREG | 0o640)
    assert tree["d/sub"].mode == oct(stat.S_IFDIR | 0o700)


@needs_root
def test_a_directory_that_is_there_takes_the_metadata_of_the_layer(tmp_path: Path) -> None:
    apply(tmp_path, directory("d", mode=0o700, pax_headers={"SCHILY.xattr.user.old": "1"}), file("d/kept"))
    apply(tmp_path, directory("d", mode=0o1777, uid=9, mtime=5, pax_headers={"SCHILY.xattr.user.new": "2"}))
    tree = describe(tmp_path)
    assert tree["d"].mode == oct(stat.S_IFDIR | 0o1777)
    assert (tree["d"].owner, tree["d"].mtime) == ((9, 0), 5 * 10**9)
    assert tree["d"].xattrs == (("user.new", b"2"),)
    assert "d/kept" in tree


def test_attributes_that_the_kernel_refuses_are_counted(tmp_path: Path) -> None:
    headers = {"SCHILY.xattr.nonsense.a": "1", "SCHILY.xattr.trusted.overlay.opaque": "y"}
    report = apply(tmp_path, file("a", pax_headers=headers), file("b", pax_headers=headers))
    assert report.xattrs == {"nonsense.a": 2, "trusted.overlay.opaque": 2}
    assert names(tmp_path) == ["a", "b"]


def test_parents_that_the_archive_leaves_out_are_made(tmp_path: Path) -> None:
    apply(tmp_path, file("a/b/c", b"x"))
    assert (tmp_path / "a/b/c").read_bytes() == b"x"
    assert stat.S_IMODE((tmp_path / "a/b").stat().st_mode) == 0o755


def test_a_sparse_file_is_sparse_on_disk_too(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with source.open("wb") as sparse:
        sparse.seek(40_000_000)
        sparse.write(b"end")
        sparse.truncate(50_000_000)
    data = subprocess.run(
        ["tar", "-cSf", "-", "-C", str(tmp_path), "source"], check=True, capture_output=True
    ).stdout
    root = tmp_path / "root"
    root.mkdir()
    unpack(io.BytesIO(data), Boundary(root))
    assert (root / "source").stat().st_size == 50_000_000
    assert (root / "source").stat().st_blocks * 512 < 1_000_000
    assert (root / "source").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("old", [file("x", b"old"), link("x", "y"), directory("x")])
@pytest.mark.parametrize("new", [file("x", b"new"), link("x", "z"), directory("x"), hard_link("x", "y")])
def test_anything_takes_the_place_of_anything(old: Member, new: Member, tmp_path: Path) -> None:
    apply(tmp_path, file("y", b"target"), old)
    if old[0].isdir():
        apply(tmp_path, file("x/below/deep"))
    apply(tmp_path, new)
    path = tmp_path / "x"
    assert path.is_symlink() == new[0].issym()
    assert path.is_dir() == new[0].isdir()
    assert (tmp_path / "y").read_bytes() == b"target"
    if new[0].isreg():
        assert path.read_bytes() == b"new"
    if new[0].islnk():
        assert path.samefile(tmp_path / "y")
    if old[0].isdir():
        assert (path / "below/deep").exists() == new[0].isdir()


def test_a_file_that_is_replaced_does_not_change_its_other_names(tmp_path: Path) -> None:
    apply(tmp_path, file("a", b"old"), hard_link("b", "a"))
    apply(tmp_path, file("a", b"new"))
    assert (tmp_path / "b").read_bytes() == b"old"


def test_what_is_reached_through_a_link_lands_where_the_link_leads(tmp_path: Path) -> None:
    apply(tmp_path, directory("usr/lib"), link("lib", "usr/lib"))
    apply(tmp_path, file("lib/libc.so", b"elf"), directory("lib/modules"))
    assert (tmp_path / "usr/lib/libc.so").read_bytes() == b"elf"
    assert (tmp_path / "usr/lib/modules").is_dir()
    assert (tmp_path / "lib").is_symlink()


def test_a_link_that_changes_within_an_archive_leads_to_the_new_place(tmp_path: Path) -> None:
    apply(
        tmp_path,
        directory("one"),
        directory("two"),
        link("l", "one"),
        file("l/a"),
        link("l", "two"),
        file("l/b"),
        directory("l"),
        file("l/c"),
    )
    assert names(tmp_path) == ["l", "l/c", "one", "one/a", "two", "two/b"]


def test_long_chains_of_links_are_followed(tmp_path: Path) -> None:
    links = [link(f"l{number}", f"l{number + 1}") for number in range(200)]
    apply(tmp_path, *links, link("l200", "/target"), directory("target"), file("l0/file"))
    assert (tmp_path / "target/file").exists()


class TestWhiteouts:
    def test_a_whiteout_removes_what_lower_layers_have(self, tmp_path: Path) -> None:
        apply(tmp_path, file("a"), file("d/e/f"), link("l", "d"), file("kept"))
        apply(tmp_path, file(".wh.a"), file(".wh.d"), file(".wh.l"), file(".wh.never-there"))
        assert names(tmp_path) == ["kept"]

    def test_what_the_same_layer_adds_survives_a_whiteout_before_or_after_it(self, tmp_path: Path) -> None:
        apply(tmp_path, file("a", b"old"), file("b", b"old"), file("d/old"))
        apply(tmp_path, file("a", b"new"), file(".wh.a"), file(".wh.b"), file("b", b"new"))
        apply(tmp_path, file("d/new"), file(".wh.d"))
        assert names(tmp_path) == ["a", "b", "d", "d/new"]
        assert [(tmp_path / name).read_bytes() for name in "ab"] == [b"new", b"new"]

    def test_an_opaque_directory_hides_what_was_in_it_but_not_what_its_layer_adds(
        self, tmp_path: Path
    ) -> None:
        apply(tmp_path, file("d/old"), file("d/sub/old"), directory("d/empty"), file("other"))
        apply(tmp_path, directory("d"), file("d/sub/new"), file("d/.wh..wh..opq"), file("d/later"))
        assert names(tmp_path) == ["d", "d/later", "d/sub", "d/sub/new", "other"]

    def test_directories_that_a_whiteout_leaves_keep_the_metadata_of_their_layer(
        self, tmp_path: Path
    ) -> None:
        apply(tmp_path, file("d/old"))
        apply(tmp_path, directory("d", mode=0o711, mtime=7), file(".wh.d"))
        assert names(tmp_path) == ["d"]
        assert (tmp_path / "d").stat().st_mtime == 7

    def test_a_link_to_what_is_removed_then_keeps_it(self, tmp_path: Path) -> None:
        apply(tmp_path, file("a", b"x"))
        apply(tmp_path, hard_link("b", "a"), file(".wh.a"))
        assert names(tmp_path) == ["b"]

    def test_a_whiteout_through_a_link_stays_inside(self, tmp_path: Path) -> None:
        apply(tmp_path, directory("d"), file("d/x"), link("l", "/d"))
        apply(tmp_path, file("l/.wh.x"))
        assert names(tmp_path) == ["d", "l"]

    def test_notes_of_aufs_are_no_whiteouts(self, tmp_path: Path) -> None:
        apply(tmp_path, file(".wh.plnk"), file("plnk"))
        apply(tmp_path, directory(".wh..wh.plnk"), file(".wh..wh.aufs"))
        assert names(tmp_path) == ["plnk"]

    @pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh..."])
    def test_a_whiteout_of_nothing_is_an_error(self, name: str, tmp_path: Path) -> None:
        apply(tmp_path, file("d/a"))
        with pytest.raises(ImageInvalidError, match="hides nothing"):
            apply(tmp_path, file(f"d/{name}"))
        assert names(tmp_path) == ["d", "d/a"]


class TestBoundary:
    EXCLUDED = frozenset({"/yadokari", "/etc/hosts", "/var/run/secrets"})

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        apply(tmp_path, file("yadokari/python", b"ours"), file("etc/hosts", b"ours"), file("etc/old"))
        apply(tmp_path, file("var/run/secrets/token", b"ours"), directory("elsewhere"))
        return tmp_path

    def left_alone(self, root: Path) -> bool:
        paths = ("yadokari/python", "etc/hosts", "var/run/secrets/token")
        return all((root / path).read_bytes() == b"ours" for path in paths)

    def test_members_over_what_is_excluded_are_left_out_and_reported(self, root: Path) -> None:
        report = apply(
            root,
            file("yadokari/python", b"theirs"),
            directory("yadokari", mode=0o700),
            file("yadokari/new/deep"),
            file("etc/hosts", b"theirs"),
            link("link", "yadokari"),
            file("link/python", b"theirs"),
            hard_link("hard", "yadokari/python"),
            file("yadokari/.wh.python"),
            file(".wh.yadokari"),
            file("after"),
            excluded=self.EXCLUDED,
        )
        assert self.left_alone(root)
        assert (root / "after").exists()
        assert not (root / "hard").exists()
        assert "/yadokari/python" in report.excluded
        assert {"/yadokari", "/etc/hosts", "/hard"} < set(report.excluded)

    def test_what_holds_something_excluded_is_not_replaced(self, root: Path) -> None:
        report = apply(
            root,
            link("var/run", "/run"),
            file("var", b"x"),
            file("var/run/pid", b"1"),
            excluded=self.EXCLUDED,
        )
        assert self.left_alone(root)
        assert report.excluded == ["/var/run", "/var"]
        assert (root / "var/run/pid").read_bytes() == b"1"

    def test_whiteouts_take_what_is_around_something_excluded(self, root: Path) -> None:
        apply(root, file(".wh.etc"), file("var/.wh..wh..opq"), excluded=self.EXCLUDED)
        assert self.left_alone(root)
        assert not (root / "etc/old").exists()


class TestHostileArchives:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        (tmp_path / "secret").write_bytes(b"outside")
        root = tmp_path / "root"
        root.mkdir()
        return root

    def outside(self, root: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in root.parent.iterdir() if path.is_file()}

    @pytest.mark.parametrize(
        "name", ["../evil", "/../evil", "a/../../../evil", "./../evil", "//evil", "..//evil", "x/../evil/."]
    )
    def test_names_that_lead_out_of_the_root_are_taken_from_the_root(self, name: str, root: Path) -> None:
        apply(root, file(name, b"x"))
        assert (root / "evil").read_bytes() == b"x"
        assert self.outside(root) == {"secret": b"outside"}

    @pytest.mark.parametrize("target", ["..", "../..", "/", "../../../../../..", "OUTSIDE"])
    def test_links_as_parents_are_taken_as_if_the_root_were_everything(self, target: str, root: Path) -> None:
        target = target.replace("OUTSIDE", str(root.parent))
        apply(root, link("l", target), file("l/secret", b"x"), directory("l/made", mode=0o700))
        assert self.outside(root) == {"secret": b"outside"}
        assert not (root.parent / "made").exists()

    def test_a_link_in_the_place_of_a_file_is_not_written_through(self, root: Path) -> None:
        apply(root, link("f", str(root.parent / "secret")), file("f", b"x"))
        apply(root, link("f", "../secret"), file("f", b"y"))
        assert (root / "f").read_bytes() == b"y"
        assert self.outside(root) == {"secret": b"outside"}

    def test_metadata_is_not_set_through_a_link_that_took_a_directorys_place(self, root: Path) -> None:
        mode = root.parent.stat().st_mode
        sub = root.parent / "sub"
        sub.mkdir(mode=0o700)
        apply(
            root,
            directory("d", mode=0o777, mtime=1),
            directory("d/sub", mode=0o777, mtime=1),
            link("d", str(root.parent)),
            hard_link("h", "d"),
            link("again", ".."),
        )
        assert root.parent.stat().st_mode == mode
        assert stat.S_IMODE(sub.stat().st_mode) == 0o700
        assert (root / "h").is_symlink()

    @pytest.mark.parametrize("target", ["../secret", "/../secret", "a/../../secret"])
    def test_hard_links_to_outside_are_left_out_and_reported(self, target: str, root: Path) -> None:
        report = apply(root, directory("a"), hard_link("h", target), file("after"))
        assert names(root) == ["a", "after"]
        assert report.unsafe_links == ["/h"]

    def test_hard_links_through_links_stay_inside(self, root: Path) -> None:
        apply(root, link("l", ".."), file("secret", b"inside"), hard_link("h", "l/secret"))
        assert (root / "h").read_bytes() == b"inside"

    def test_a_hard_link_to_nothing_is_an_error(self, root: Path) -> None:
        with pytest.raises(ImageInvalidError, match="'h'"):
            apply(root, hard_link("h", "missing"))

    def test_a_hard_link_to_itself_keeps_the_file(self, root: Path) -> None:
        apply(root, file("a", b"x"), hard_link("a", "a"), hard_link("./a", "/a"))
        assert (root / "a").read_bytes() == b"x"

    def test_a_hard_link_to_a_directory_is_an_error(self, root: Path) -> None:
        with pytest.raises(ImageInvalidError):
            apply(root, directory("d"), hard_link("h", "d"))

    def test_a_hard_link_over_the_directory_of_its_target_is_an_error(self, root: Path) -> None:
        with pytest.raises(ImageInvalidError):
            apply(root, file("d/f"), hard_link("d", "d/f"))

    def test_a_loop_of_links_is_an_error(self, root: Path) -> None:
        with pytest.raises(ImageInvalidError, match="too many links"):
            apply(root, link("a", "b"), link("b", "a"), file("a/x"))

    def test_a_file_as_a_parent_is_an_error(self, root: Path) -> None:
        with pytest.raises(ImageInvalidError, match="Not a directory"):
            apply(root, file("f"), file("f/below"))

    @pytest.mark.parametrize("name", ["n" * 256, "d/" * 3000 + "x"])
    def test_names_that_are_too_long_are_errors(self, name: str, root: Path) -> None:
        with pytest.raises(ImageInvalidError, match="too long"):
            apply(root, file(name))
        assert self.outside(root) == {"secret": b"outside"}

    def test_depth_is_no_matter(self, root: Path) -> None:
        name = "/".join("a" * 1100)
        apply(root, file(name, b"x"))
        assert (root / name).read_bytes() == b"x"
        # Deeper than the test runner can clean up after.
        clear(Boundary(root))

    @pytest.mark.parametrize("name", [".", "./", "/", "..", "a/..", ""])
    def test_the_root_itself_is_left_as_it_is(self, name: str, root: Path) -> None:
        mode = root.stat().st_mode
        apply(root, directory(name, mode=0o700, uid=5), file("after"))
        assert root.stat().st_mode == mode
        assert names(root) == ["after"]

    def test_an_archive_that_is_cut_off_is_an_error(self, root: Path) -> None:
        data = archive(file("a", b"x" * 10_000)).read()
        with pytest.raises(ImageInvalidError, match="cut off"):
            unpack(io.BytesIO(data[:4000]), Boundary(root))

    def test_an_empty_target_is_an_error(self, root: Path) -> None:
        with pytest.raises(ImageInvalidError):
            apply(root, link("l", ""))


def test_the_stream_is_read_to_its_end(tmp_path: Path) -> None:
    stream = io.BytesIO(archive(file("a")).read() + bytes(1 << 21))
    unpack(stream, Boundary(tmp_path))
    assert stream.read() == b""


def test_names_keep_bytes_that_are_no_text(tmp_path: Path) -> None:
    apply(tmp_path, file("n\udcff", b"x"), link("l", "t\udcfe"))
    assert os.listdir(os.fsencode(tmp_path)).count(b"n\xff") == 1
    assert os.readlink(os.fsencode(tmp_path / "l")) == b"t\xfe"


@needs_root
def test_unpack_makes_folders_that_an_image_does_not_name_right_below_the_root_itself(tmp_path: Path) -> None:
    # In a child whose root it is: a prefix of nothing is not a path.
    if (child := os.fork()) == 0:
        signal.alarm(10)
        os.chroot(tmp_path)
        apply(Path("/"), file("bin/sh", b"text"), file("a/b/c", b"text"))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert names(tmp_path) == ["a", "a/b", "a/b/c", "bin", "bin/sh"]


@needs_root
def test_a_node_in_a_folder_that_hands_down_an_acl_has_its_own_alone(tmp_path: Path) -> None:
    default = {"SCHILY.xattr.system.posix_acl_default": xattr(ACL)}
    access = {"SCHILY.xattr.system.posix_acl_access": xattr(ACL)}
    apply(
        tmp_path,
        directory("d", pax_headers=default),
        node("d/plain", tarfile.FIFOTYPE),
        node("d/own", tarfile.FIFOTYPE, mode=0o775, pax_headers=access),
    )
    assert os.listxattr(tmp_path / "d/plain") == []
    assert os.getxattr(tmp_path / "d/own", "system.posix_acl_access") == ACL
