"""What files bring along: owners, modes, times, links, attributes, holes."""

import os
import socket
import stat
from typing import Any

import pytest

PASSWD = "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n"
GROUP = "staff:x:50:\n"


def test_files_of_the_context_belong_to_root(workshop: Any) -> None:
    workshop.fill({"a": ""})
    os.chown(workshop.context / "a", 7, 8)
    workshop.do("COPY a /x/")
    assert workshop.owner("x/a") == (0, 0)


def test_files_of_a_stage_keep_their_owners_and_new_parents_are_root_s(workshop: Any) -> None:
    workshop.fill({"d/a": ""})
    os.chown(workshop.context / "d/a", 7, 8)
    workshop.with_(keep_owners=True).do("COPY d /x/y")
    assert workshop.owner("x/y/a") == (7, 8)
    assert workshop.owner("x/y") == workshop.owner("x") == (0, 0)


@pytest.mark.parametrize(
    ("chown", "owner"),
    [
        ("app", (1000, 1001)),
        ("app:staff", (1000, 50)),
        ("12", (12, 12)),
        ("12:staff", (12, 50)),
        (":staff", (0, 50)),
        ("nobody-there", (0, 0)),
        ("root", (0, 0)),
    ],
)
def test_chown_looks_names_up_in_the_target(workshop: Any, chown: str, owner: tuple[int, int]) -> None:
    workshop.fill({"d/a": "", "d/l": "-> a"})
    workshop.fill_root({"etc/passwd": PASSWD, "etc/group": GROUP})
    workshop.do(f"COPY --chown={chown} d /x/y/")
    assert {workshop.owner(path) for path in ("x", "x/y", "x/y/a", "x/y/l")} == {owner}


def test_modes_of_files_and_folders_are_kept(workshop: Any) -> None:
    workshop.fill({"d/e/a": ""})
    workshop.context.joinpath("d/e/a").chmod(0o4751)
    workshop.context.joinpath("d/e").chmod(0o1700)
    workshop.do("COPY d /x")
    assert workshop.mode("x/e/a") == 0o4751
    assert workshop.mode("x/e") == 0o1700


def test_a_folder_s_own_mode_is_not_that_of_the_destination(workshop: Any) -> None:
    workshop.fill({"d/a": ""})
    workshop.context.joinpath("d").chmod(0o700)
    workshop.do("COPY d /x")
    assert workshop.mode("x") == 0o755


def test_a_folder_that_is_there_takes_the_source_s_metadata_but_at_the_top(workshop: Any) -> None:
    workshop.fill({"d/e/a": ""})
    workshop.context.joinpath("d/e").chmod(0o711)
    workshop.fill_root({"x/e": None})
    workshop.root.joinpath("x").chmod(0o700)
    outcome = workshop.do("COPY d /x")
    assert workshop.mode("x/e") == 0o711
    assert workshop.mode("x") == 0o700
    assert outcome.paths == ("/x", "/x/e", "/x/e/a")


def test_chmod_is_for_files_folders_and_new_parents(workshop: Any) -> None:
    workshop.fill({"d/e/a": ""})
    workshop.do("COPY --chmod=0750 d /x/y/")
    assert {workshop.mode(path) for path in ("x", "x/y", "x/y/e", "x/y/e/a")} == {0o750}


def test_a_symbolic_chmod_leaves_new_parents_alone(workshop: Any) -> None:
    workshop.fill({"d/e/a": ""})
    workshop.do("COPY --chmod=go=,u+X d /x/")
    assert workshop.mode("x") == 0o755
    assert workshop.mode("x/e") == 0o700
    assert workshop.mode("x/e/a") == 0o600


def test_times_are_kept_to_the_nanosecond(workshop: Any) -> None:
    workshop.fill({"d/e/a": "", "d/l": "-> nowhere"})
    for path in ("d/e/a", "d/l", "d/e", "d"):
        os.utime(workshop.context / path, ns=(1, 1_500_000_000_123_456_789), follow_symlinks=False)
    workshop.do("COPY d /x")
    times = {os.lstat(workshop.root / path).st_mtime_ns for path in ("x/e/a", "x/l", "x/e", "x")}
    assert times == {1_500_000_000_123_456_789}


def test_hard_links_stay_links_but_never_to_the_source(workshop: Any) -> None:
    workshop.fill({"d/a": "A"})
    os.link(workshop.context / "d/a", workshop.context / "d/b")
    workshop.do("COPY d /x")
    copies = [os.stat(workshop.root / path) for path in ("x/a", "x/b")]
    assert copies[0].st_ino == copies[1].st_ino != os.stat(workshop.context / "d/a").st_ino


def test_extended_attributes_are_kept(workshop: Any) -> None:
    workshop.fill({"a": ""})
    capability = b"\x01\x00\x00\x02\x00\x04\x00\x00" + bytes(12)
    os.setxattr(workshop.context / "a", "security.capability", capability)
    workshop.with_(keep_owners=True).do("COPY a /x")
    assert os.getxattr(workshop.root / "x", "security.capability") == capability


def test_holes_stay_holes(workshop: Any) -> None:
    with open(workshop.context / "a", "wb") as file:
        file.seek(64 << 20)
        file.write(b"end")
        file.truncate(128 << 20)
    workshop.do("COPY a /x")
    copy = os.stat(workshop.root / "x")
    assert copy.st_size == 128 << 20
    assert copy.st_blocks * 512 < 1 << 20
    with open(workshop.root / "x", "rb") as file:
        file.seek(64 << 20)
        assert file.read(4) == b"end\0"


def test_a_fifo_is_made_anew_and_a_socket_becomes_an_empty_file(workshop: Any) -> None:
    os.mkfifo(workshop.context / "fifo", 0o640)
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.open(workshop.context, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{folder}/socket")
        os.close(folder)
    workshop.do("COPY . /x/")
    assert stat.S_ISFIFO(os.lstat(workshop.root / "x/fifo").st_mode)
    assert workshop.mode("x/fifo") == 0o640
    assert workshop.root.joinpath("x/socket").read_bytes() == b""
