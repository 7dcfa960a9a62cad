import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from yadokari_builder.rootfs.mounts import own_mounts, parse_mountinfo

MOUNTINFO = r"""22 27 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw
27 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 27 0:26 / /mnt/with\040space rw - tmpfs tmpfs rw
31 27 0:27 /a /back\134slash\011and\012more rw master:1 propagate_from:2 - tmpfs none rw
"""


def test_mount_points_are_read_with_their_escapes() -> None:
    assert parse_mountinfo(MOUNTINFO) == ("/sys", "/", "/mnt/with space", "/back\\slash\tand\nmore")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1))
def test_any_name_that_the_kernel_escapes_is_read_back(name: str) -> None:
    escaped = name.replace("\\", r"\134")
    for character in " \t\n":
        escaped = escaped.replace(character, f"\\{ord(character):03o}")
    assert parse_mountinfo(f"1 2 0:1 / /{escaped} rw - tmpfs tmpfs rw\n") == (f"/{name}",)


def test_own_mounts_leave_out_the_root(tmp_path: Path) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(MOUNTINFO + "32 27 0:28 / /sys rw - tmpfs over rw\n")
    assert own_mounts(Path("/"), mountinfo) == ("/back\\slash\tand\nmore", "/mnt/with space", "/sys")


def test_own_mounts_are_those_below_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    mountinfo = tmp_path / "mountinfo"
    points = ("/", "/proc", root, f"{root}/proc", f"{root}/a/b", f"{root}beside/c")
    mountinfo.write_text("".join(f"30 27 0:26 / {point} rw - tmpfs tmpfs rw\n" for point in points))
    assert own_mounts(root, mountinfo) == ("/a/b", "/proc")


def test_own_mounts_are_those_of_this_process() -> None:
    own = own_mounts(Path("/"))
    assert all(os.path.ismount(path) for path in own if path == "/proc")
    assert "/proc" in own
