import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from yadokari_builder.run import reaper
from yadokari_builder.run.command import Command, ProcessUser
from yadokari_builder.run.spaces import ground
from yadokari_builder.run.spaces.start import SPACES, SpacesError, first_process, start
from yadokari_builder.run.spaces.trial import has_own_proc
from yadokari_builder.run.spaces.view import Held, Memory, View, Written

ENVIRONMENT = {"PATH": "/bin"}


class Alone:
    """Runs shell scripts in namespaces of their own, in a root, and returns status and what they write."""

    def __init__(self, root: Path) -> None:
        self.root = root
        reaper.adopt_orphans()
        (root / "dev/null").unlink()
        ground.lay(root)

    def __call__(
        self,
        script: str,
        *mounts: Held | Memory | Written,
        user: ProcessUser | None = None,
        network: str = "",
    ) -> tuple[int, str]:
        command = Command(["/bin/sh", "-c", script], ENVIRONMENT, "/", user or ProcessUser(), network)
        return self.run(command, *mounts)

    def run(self, command: Command, *mounts: Held | Memory | Written) -> tuple[int, str]:
        own = [Held(path) for path in ground.renew(self.root)]
        source, sink = os.pipe()
        with open(source, "rb") as output, open(os.devnull, "rb") as nothing:
            try:
                process = start(command, View(self.root, [*own, *mounts]), nothing.fileno(), sink)
            finally:
                os.close(sink)
            written = output.read().decode()
            return process.wait(), written


@pytest.fixture
def alone(root: Path) -> Alone:
    return Alone(root)


def test_what_it_leaves_behind_dies_with_it(alone: Alone) -> None:
    script = (
        "(setsid nohup sleep 1000 &); (setsid sh -c 'trap : TERM; sleep 1000' &); readlink /proc/self/ns/pid"
    )
    _, written = alone(script)
    assert written.strip() not in pid_namespaces()


def pid_namespaces() -> Iterator[str]:
    """Yield the PID namespace of each process of the machine."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            yield os.readlink(process / "ns/pid")


def test_a_process_is_the_first_one_and_sees_its_root_alone(alone: Alone) -> None:
    status, written = alone("echo $$; echo /*; kill -TERM 1; exit 7")
    assert (status, written) == (7, "1\n/bin /dev /etc /proc /root /sys /tmp /var\n")


def test_it_gets_environment_user_and_standard_streams_and_no_other_descriptor(alone: Alone) -> None:
    user = ProcessUser(1000, 1001, (1001, 2000))
    _, written = alone("env | grep -v PWD; id; echo to-err >&2; cat; ls /proc/self/fd", user=user)
    assert "PATH=/bin\n" in written
    assert "uid=1000(user) gid=1001 groups=1001,2000\nto-err\n0\n1\n2\n3\n" in written


def test_ids_are_those_outside(alone: Alone) -> None:
    assert alone("touch /tmp/f && busybox chown 3000000000:5 /tmp/f")[0] == 0
    status = (alone.root / "tmp/f").stat()
    assert (status.st_uid, status.st_gid) == (3_000_000_000, 5)


def test_it_has_the_capabilities_of_a_container_and_may_not_unmount(alone: Alone) -> None:
    status, written = alone("busybox umount /etc/hosts; grep CapEff /proc/self/status")
    assert status == 0
    assert "CapEff:\t00000000a80425fb\n" in written


def test_it_can_make_no_namespaces_of_its_own_and_may_still_get_rights_by_set_id_programs(
    alone: Alone,
) -> None:
    status, written = alone("busybox unshare -U true; grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status")
    assert status == 0
    assert written == "unshare: unshare(0x10000000): Operation not permitted\nNoNewPrivs:\t0\nSeccomp:\t2\n"


def test_the_pods_files_are_new_each_time_and_stay_where_they_are(alone: Alone) -> None:
    hosts = Path("/etc/hosts").read_text()
    status, _ = alone("echo mine >> /etc/hosts; mv /etc/hosts /etc/other || rm /etc/hosts || exit 5")
    assert status == 5
    assert alone("cat /etc/hosts") == (0, hosts)


def test_dev_is_new_each_time(alone: Alone) -> None:
    _, before = alone("ls /dev /dev/shm")
    alone("touch /dev/mine /dev/shm/mine; rm /dev/fd; mkdir /dev/folder")
    assert alone("ls /dev /dev/shm")[1] == before
    assert "null" in before


def test_links_in_the_place_of_the_pods_files_lead_nowhere(alone: Alone, tmp_path: Path) -> None:
    victim = tmp_path / "hosts"
    victim.write_text("untouched")
    alone(f"mv /etc /etc-; mkdir /etc; ln -s {victim} /etc/hosts; ln -s {tmp_path} /etc/resolv.conf")
    assert alone("true")[0] == 0
    assert victim.read_text() == "untouched"


def test_what_is_held_read_only_is_so_and_what_is_below_it_as_it_was_asked_for(alone: Alone) -> None:
    (alone.root / "var/cache/sub").mkdir()
    mounts = [Held("/var/cache", is_readonly=True), Held("/var/cache/sub")]
    status, _ = alone("! touch /var/cache/x && ! mv /var/cache /x && touch /var/cache/sub/x", *mounts)
    assert status == 0
    assert os.listdir(alone.root / "var/cache") == ["sub"]


def test_a_tmpfs_has_its_size_and_mode_and_shows_what_is_mounted_below_it(alone: Alone) -> None:
    (alone.root / "var/cache/secret").write_text("hush")
    (alone.root / "var/cache").chmod(0o711)
    mounts: list[Held | Memory] = [Memory("/var/cache", size=8192), Held("/var/cache/secret")]
    script = (
        "! head -c 20000 /dev/zero > /var/cache/x 2>/dev/null; cat /var/cache/secret;"
        " stat -c %a,%s /var/cache/x /var/cache | head -n 1; stat -c %a /var/cache"
    )
    assert alone(script, *mounts) == (0, "hush644,8192\n711\n")
    assert os.listdir(alone.root / "var/cache") == ["secret"]


def test_without_a_network_there_is_a_loopback_device_alone(alone: Alone) -> None:
    _, written = alone("ifconfig -a | grep -c encap; ifconfig lo", network="none")
    assert written.startswith("1\n")
    assert "127.0.0.1" in written


@pytest.mark.parametrize(
    ("command", "error", "name"),
    [
        (Command(["/not/there"], ENVIRONMENT), FileNotFoundError, "/not/there"),
        (Command(["not-there"], ENVIRONMENT), FileNotFoundError, "not-there"),
        (Command(["/etc/passwd"], ENVIRONMENT), PermissionError, "/etc/passwd"),
        (Command(["/bin/sh"], ENVIRONMENT, "/gone"), FileNotFoundError, "/gone"),
    ],
)
def test_a_program_that_cannot_be_started_is_told_as_for_any_process(
    alone: Alone, command: Command, error: type[OSError], name: str
) -> None:
    with pytest.raises(error) as caught:
        alone.run(command)
    assert caught.value.filename == name


def test_an_environment_that_no_process_can_have_is_told_as_for_any_process(alone: Alone) -> None:
    with pytest.raises(ValueError, match="embedded null byte"):
        alone.run(Command(["/bin/sh"], {"A": "b\0c"}))


def test_what_cannot_be_mounted_is_named(alone: Alone) -> None:
    with pytest.raises(SpacesError, match="/nothing: No such file or directory"):
        alone("true", Held("/nothing"))


def test_a_signal_that_ends_it_is_its_status(alone: Alone) -> None:
    assert alone("busybox sh -c 'kill -9 $$'; exit $?")[0] == 128 + signal.SIGKILL


def test_trying_tells_whether_proc_can_be_new_and_leaves_no_process(tmp_path: Path) -> None:
    before = reaper.children()
    assert has_own_proc(tmp_path)
    assert reaper.children() == before


def test_what_is_refused_is_told(tmp_path: Path) -> None:
    reaper.adopt_orphans()
    with pytest.raises(SpacesError, match="unshare: Invalid argument") as caught:
        first_process(SPACES | 1, lambda: None, lambda _: None)
    assert caught.value.number == 22


def test_a_file_in_memory_is_neither_on_disk_nor_in_swap_nor_to_be_written(alone: Alone) -> None:
    for name in ("one", "two"):
        (alone.root / "tmp" / name).touch()
    script = (
        "cat /tmp/one /tmp/two; busybox stat -c '%u %g %a' /tmp/one; echo x 2>&1 >> /tmp/two || echo refused;"
        " rm /tmp/one 2>/dev/null || echo stays; while read -r line; do case $line in *' /tmp/'*) echo"
        ' "${line#* - }"; esac; done < /proc/self/mountinfo'
    )
    files = Written("/tmp/one", b"1\n", 5, 6, 0o440), Written("/tmp/two", b"2\n", mode=0o600)
    _, written = alone(script, *files)
    assert "1\n2\n5 6 440\n" in written
    assert "refused\nstays\n" in written
    assert written.count("ramfs secrets") == 2
    assert [(alone.root / "tmp" / name).read_bytes() for name in ("one", "two")] == [b"", b""]
    assert "data" not in repr(files)
