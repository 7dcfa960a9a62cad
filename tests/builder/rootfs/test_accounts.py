import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_builder.errors import DockerfileError
from yadokari_builder.rootfs.accounts import ExecUser, find_owner, find_user

PASSWD = """root:x:0:0:root:/root:/bin/sh

  app:x:1000:1001:App:/home/app:/bin/sh
short:x:1002
twin:x:1000:7::/elsewhere:/bin/sh
homeless:x:1003:1003:::
"""
GROUP = """root:x:0:
# comment:x:9:app
staff:x:50:app,other
docker:x:999:other,app
wheel:x:10:root
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tmp_path.joinpath("etc").mkdir()
    tmp_path.joinpath("etc/passwd").write_text(PASSWD)
    tmp_path.joinpath("etc/group").write_text(GROUP)
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "user"),
    [
        ("", ExecUser(0, 0, (0, 10), "/root")),
        ("root", ExecUser(0, 0, (0, 10), "/root")),
        ("app", ExecUser(1000, 1001, (1001, 50, 999), "/home/app")),
        ("1000", ExecUser(1000, 1001, (1001, 50, 999), "/home/app")),
        ("app:staff", ExecUser(1000, 50, (50,), "/home/app")),
        ("app:50", ExecUser(1000, 50, (50,), "/home/app")),
        ("app:12", ExecUser(1000, 12, (12,), "/home/app")),
        ("4711", ExecUser(4711, 0, (0,), "/")),
        ("4711:4712", ExecUser(4711, 4712, (4712,), "/")),
        ("4711:staff", ExecUser(4711, 50, (50,), "/")),
        ("root:root", ExecUser(0, 0, (0,), "/root")),
        (":staff", ExecUser(0, 50, (50,), "/root")),
        ("short", ExecUser(1002, 0, (0,), "/")),
        ("homeless", ExecUser(1003, 1003, (1003,), "/")),
        ("3000000000:3000000001", ExecUser(3_000_000_000, 3_000_000_001, (3_000_000_001,), "/")),
        ("4294967294:root", ExecUser(4_294_967_294, 0, (0,), "/")),
        ("0" * 5000 + "1000", ExecUser(1000, 1001, (1001, 50, 999), "/home/app")),
    ],
)
def test_user_is_looked_up_in_the_root(root: Path, spec: str, user: ExecUser) -> None:
    assert find_user(spec, root) == user


def test_an_unknown_user_or_group_is_an_error(root: Path) -> None:
    with pytest.raises(DockerfileError, match="unable to find user gone: no matching entries in passwd file"):
        find_user("gone", root)
    with pytest.raises(DockerfileError, match="unable to find group gone: no matching entries in group file"):
        find_user("app:gone", root)


def test_a_name_that_would_colour_the_log_is_shown_for_what_it_is(root: Path) -> None:
    with pytest.raises(DockerfileError) as caught:
        find_user("\x1b[31mred\n" + "d" * 5000, root)
    assert str(caught.value).startswith(r"Dockerfile: unable to find user \x1b[31mred\nddd")
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("spec", ["2147483648", "-1", "9" * 5000, "app:3000000000", "3000000000:wheel"])
def test_an_id_out_of_range_is_an_error(root: Path, spec: str) -> None:
    with pytest.raises(DockerfileError, match="uids and gids must be in range 0-2147483647"):
        find_user(spec, root)


@pytest.mark.parametrize(
    "spec", ["4294967295:0", "0:4294967295", "nobody-at-all", "negative", "huge", "member"]
)
def test_an_id_that_would_leave_a_process_what_it_is_is_an_error(root: Path, spec: str) -> None:
    with open(root / "etc/passwd", "a") as users, open(root / "etc/group", "a") as groups:
        users.write("nobody-at-all:x:4294967295:5::/:\nnegative:x:-1:5::/:\nmember:x:7:7::/:\n")
        users.write(f"huge:x:{'9' * 5000}:5::/:\n")
        groups.write("odd:x:4294967295:member\n")
    with pytest.raises(DockerfileError, match="no process can have the id"):
        find_user(spec, root)


def test_without_files_only_numbers_and_nothing_are_known(tmp_path: Path) -> None:
    assert find_user("", tmp_path) == ExecUser(0, 0, (0,), "/")
    assert find_user("5:6", tmp_path) == ExecUser(5, 6, (6,), "/")
    with pytest.raises(DockerfileError, match="unable to find user root"):
        find_user("root", tmp_path)


def test_a_link_to_the_machine_s_own_files_stays_in_the_root(root: Path) -> None:
    outside = root.parent / f"{root.name}-passwd"
    outside.write_text("ours:x:1:1::/:/bin/sh\n")
    root.joinpath("etc/passwd").unlink()
    root.joinpath("etc/passwd").symlink_to(outside)
    with pytest.raises(DockerfileError, match="unable to find user ours"):
        find_user("ours", root)


@pytest.mark.timeout(60)
def test_a_fifo_in_the_place_of_a_file_does_not_hang(root: Path) -> None:
    root.joinpath("etc/passwd").unlink()
    os.mkfifo(root / "etc/passwd")
    with pytest.raises(DockerfileError, match="not a regular file"):
        find_user("app", root)


@pytest.mark.parametrize("target", ["passwd", "n" * 256])
def test_a_link_that_leads_to_nothing_that_can_be_is_named(root: Path, target: str) -> None:
    root.joinpath("etc/passwd").unlink()
    root.joinpath("etc/passwd").symlink_to(target)
    with pytest.raises(DockerfileError, match="/etc/passwd of the image cannot be read: "):
        find_user("app", root)


def test_a_folder_in_the_place_of_a_file_is_named(root: Path) -> None:
    root.joinpath("etc/passwd").unlink()
    root.joinpath("etc/passwd").mkdir()
    with pytest.raises(DockerfileError, match="/etc/passwd of the image is not a regular file"):
        find_user("app", root)


@pytest.mark.parametrize(
    ("spec", "owner"),
    [
        ("app", (1000, 1001)),
        ("1000", (1000, 1000)),
        ("app:staff", (1000, 50)),
        ("app:", (1000, 1001)),
        (":staff", (0, 50)),
        ("root:50", (0, 50)),
        ("gone:gone", (0, 0)),
    ],
)
def test_an_owner_that_is_not_known_is_root(root: Path, spec: str, owner: tuple[int, int]) -> None:
    assert find_owner(spec, root) == owner


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_numbers_need_no_files(uid: int, gid: int) -> None:
    nowhere = Path("/nonexistent")
    assert find_owner(f"{uid}:{gid}", nowhere) == (uid, gid)
    assert find_user(f"{uid}:{gid}", nowhere) == ExecUser(uid, gid, (gid,), "/")
