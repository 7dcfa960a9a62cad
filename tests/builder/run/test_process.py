import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from yadokari_builder.dockerfile.predefined import DEFAULT_PATH
from yadokari_builder.errors import CancelledError, RunError
from yadokari_builder.run import reaper
from yadokari_builder.run.command import Command, ProcessUser
from yadokari_builder.run.process import GRACE, beside, run_step

ROOT = ProcessUser()
WITHOUT_END = 3600.0
SEARCHED = MappingProxyType({"PATH": DEFAULT_PATH})


class Shell:
    """Runs programs and shell scripts as steps in a root, and returns what they write."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._before = frozenset(own_children())

    def left(self) -> list[str]:
        """Return the children that steps have left, but not those that were there before (a registry's)."""
        return [child for child in own_children() if child not in self._before]

    def __call__(self, script: str, **options: Any) -> str:
        return self.run(["/bin/sh", "-c", script], **options)

    def run(
        self,
        argv: list[str],
        *,
        env: Mapping[str, str] = SEARCHED,
        cwd: str = "/",
        user: ProcessUser = ROOT,
        output: Callable[[bytes], None] | None = None,
        network: str = "default",
        grace: float = GRACE,
    ) -> str:
        chunks: list[bytes] = []
        with open(os.devnull, "rb") as nothing:
            command = Command(argv, env, cwd, user, network)
            run_step(
                command,
                root=self.root,
                start=beside(command, self.root),
                stdin=nothing.fileno(),
                output=output or chunks.append,
                grace=grace,
            )
        return b"".join(chunks).decode("utf-8", "surrogateescape")


@pytest.fixture
def shell(root: Path) -> Shell:
    reaper.adopt_orphans()  # as the executor does, or what a step leaves would go to another process
    return Shell(root)


def test_a_step_runs_in_its_root(shell: Shell) -> None:
    assert shell("echo made > /here; pwd; ls /") == "/\nbin\ndev\netc\nhere\nroot\ntmp\nvar\n"
    assert (shell.root / "here").read_text() == "made\n"


def test_stdout_and_stderr_come_in_the_order_written(shell: Shell) -> None:
    assert shell("for i in 1 2 3; do echo out $i; echo err $i >&2; done") == (
        "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n"
    )


def test_bytes_pass_through_as_they_are(shell: Shell) -> None:
    assert os.fsencode(shell(r"printf '\000\377\r\n\033[0m'")) == b"\x00\xff\r\n\x1b[0m"


@pytest.mark.timeout(60)
def test_a_line_is_passed_on_before_it_is_complete(shell: Shell) -> None:
    seen: list[bytes] = []

    def note(chunk: bytes) -> None:
        seen.append(chunk)
        (shell.root / "tmp/seen").touch()

    shell("printf begin; while ! [ -e /tmp/seen ]; do sleep 0.01; done; echo end", output=note)
    assert seen == [b"begin", b"end\n"]


def test_much_output_arrives_whole(shell: Shell) -> None:
    assert len(shell("seq 1 300000").splitlines()) == 300000


def test_what_comes_little_by_little_is_passed_on_in_few_pieces(shell: Shell) -> None:
    pieces: list[bytes] = []
    shell("i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done", output=pieces.append)
    assert len(b"".join(pieces).splitlines()) == 20000
    assert len(pieces) < 10000


def test_the_environment_is_the_given_one_alone(shell: Shell) -> None:
    os.environ["DOCKER_AUTH_CONFIG"] = "secret"
    try:
        assert sorted(shell.run(["/bin/env"], env={"A": "1", "B": "x y"}).splitlines()) == ["A=1", "B=x y"]
    finally:
        del os.environ["DOCKER_AUTH_CONFIG"]


def test_a_step_runs_as_its_user_with_its_groups(shell: Shell) -> None:
    text = shell("id; umask; touch /tmp/mine", user=ProcessUser(1000, 1001, (1001, 2000)))
    assert text == "uid=1000(user) gid=1001 groups=1001,2000\n0022\n"
    made = (shell.root / "tmp/mine").stat()
    assert (made.st_uid, made.st_gid) == (1000, 1001)


def test_ids_have_32_bits(shell: Shell) -> None:
    user = ProcessUser(3_000_000_000, 3_000_000_001, (3_000_000_001,))
    assert shell("id", user=user) == "uid=3000000000 gid=3000000001 groups=3000000001\n"


def test_a_step_does_not_keep_the_groups_of_the_executor(shell: Shell) -> None:
    assert shell("id -G", user=ProcessUser(5, 6)) == "6\n"


def test_standard_input_is_empty(shell: Shell) -> None:
    assert shell("cat; echo done") == "done\n"


def test_a_step_holds_no_descriptors_of_the_executor(shell: Shell, tmp_path: Path) -> None:
    with open(tmp_path / "leak", "w") as leak:
        os.set_inheritable(leak.fileno(), True)
        os.mkdir(shell.root / "proc")
        assert shell(f"( echo x >&{leak.fileno()} ) 2>/dev/null || echo closed").endswith("closed\n")


def test_signals_are_back_to_normal(shell: Shell) -> None:
    # With SIGPIPE ignored, as it is in Python, yes would report an error instead of dying quietly.
    assert shell("( yes; echo status $? >&2 ) | head -n 1") == "y\nstatus 141\n"


def test_a_step_has_a_session_of_its_own(shell: Shell) -> None:
    with pytest.raises(RunError, match="SIGTERM"):
        shell("kill -TERM 0")


def test_a_failing_step_is_reported_by_its_exit_code_and_the_end_of_what_it_printed(shell: Shell) -> None:
    with pytest.raises(RunError) as caught:
        shell("seq 1 30; printf 'almost\\rdone'; exit 3")
    assert str(caught.value) == "the process did not complete successfully: exit code: 3"
    assert caught.value.status == 3
    assert caught.value.log_tail == "\n".join([*map(str, range(12, 31)), "done"])


def test_the_log_tail_is_bounded(shell: Shell) -> None:
    with pytest.raises(RunError) as caught:
        shell("head -c 3000000 /bin/busybox | tr -d '\\n'; exit 1")
    assert 0 < len(caught.value.log_tail) <= 8192


def test_a_signal_is_named(shell: Shell) -> None:
    with pytest.raises(RunError, match=r"exit code: 137: killed by SIGKILL; .*memory limit") as caught:
        shell("kill -KILL $$")
    assert caught.value.status == -9
    with pytest.raises(RunError, match=r"exit code: 139 \(SIGSEGV\)"):
        shell("sh -c 'kill -SEGV $$'; exit 139")


def test_a_missing_shell_is_explained(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="/bin/sh: no such file or directory; an image without") as caught:
        Shell(tmp_path)("true")
    assert caught.value.status == 127


def test_a_missing_program_is_explained(shell: Shell) -> None:
    with pytest.raises(RunError, match=r"nothere: executable file not found in \$PATH"):
        shell.run(["nothere"])


def test_a_missing_interpreter_is_told_from_a_missing_program(shell: Shell) -> None:
    script = shell.root / "script"
    script.write_text("#!/no/interpreter\n")
    script.chmod(0o755)
    with pytest.raises(RunError, match="/script is there, but the interpreter"):
        shell.run(["/script"])


def test_a_file_that_is_no_program_is_explained(shell: Shell) -> None:
    (shell.root / "data").write_bytes(b"\x7fELFnonsense")
    (shell.root / "data").chmod(0o755)
    with pytest.raises(RunError, match="/data: exec format error"):
        shell.run(["/data"])
    (shell.root / "data").chmod(0o644)
    with pytest.raises(RunError, match="/data: permission denied") as caught:
        shell.run(["/data"])
    assert caught.value.status == 126


def test_an_argument_list_that_is_too_long_is_explained(shell: Shell) -> None:
    with pytest.raises(RunError, match="argument list too long"):
        shell("true " + "x" * 200_000)


def test_a_working_directory_is_made_where_it_is_missing(shell: Shell) -> None:
    assert shell("pwd", cwd="/not/yet") == "/not/yet\n"
    assert (shell.root / "not/yet").stat().st_mode & 0o777 == 0o755


def test_a_working_directory_that_is_a_file_is_explained(shell: Shell) -> None:
    with pytest.raises(RunError, match="the working directory /etc/passwd is not a directory"):
        shell("pwd", cwd="/etc/passwd")


def test_a_working_directory_is_not_looked_for_outside_the_root(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (shell.root / "link").symlink_to(tmp_path / "outside")
    shell("touch file", cwd="/link")
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_step_ends_with_its_main_process_and_what_it_left_is_killed(shell: Shell) -> None:
    text = shell(
        "sleep 1000 & setsid sleep 1000 &"
        " (trap '' TERM HUP; setsid sh -c 'while :; do sleep 1; done') &"
        " echo started",
        grace=WITHOUT_END,
    )
    assert text == "started\n"
    assert shell.left() == []


def test_a_daemon_that_is_always_another_process_is_killed_too(shell: Shell) -> None:
    shell("hop() { sleep 0.01; hop & }; hop & hop & sleep 0.3")
    time.sleep(0.1)
    assert shell.left() == []


def test_what_has_ended_is_reaped_though_no_time_is_left_to_wait() -> None:
    before = reaper.children()
    ended = subprocess.Popen(["true"])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    reaper.reap(before, 0)
    assert reaper.children() == before
    ended.wait()


def test_an_orphan_is_reaped_also_behind_one_that_is_anothers_to_wait_for() -> None:
    anothers, orphan = [subprocess.Popen(["true"]) for _ in range(2)]
    for ended in (anothers, orphan):
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    reaper.reap_orphans([anothers.pid])
    left = {each.pid for each in reaper.children()}
    assert (anothers.pid in left, orphan.pid in left) == (True, False)
    for ended in (anothers, orphan):
        ended.wait()


def test_another_process_with_the_id_of_one_that_was_there_before_is_killed() -> None:
    before = reaper.children()
    other = subprocess.Popen(["sleep", "100"])
    (running,) = reaper.children() - before
    reaper.end_all(before | {running._replace(began=running.began - 1)})
    assert reaper.children() == before
    other.wait()


def test_processes_that_were_there_before_a_step_outlive_it(shell: Shell) -> None:
    before = subprocess.Popen(["sleep", "100"])
    try:
        shell("sleep 100 & true")
        assert before.poll() is None
    finally:
        before.kill()
        before.wait()


def test_an_exception_out_of_a_signal_handler_ends_the_step(shell: Shell) -> None:
    def cancel(number: int, frame: object) -> None:
        raise CancelledError("asked to stop")

    previous = signal.signal(signal.SIGUSR1, cancel)
    try:
        with pytest.raises(CancelledError):
            shell(
                "trap 'echo bye > /tmp/bye; exit' TERM; echo begun; while :; do sleep 0.1; done",
                output=lambda _: os.kill(os.getpid(), signal.SIGUSR1),
                grace=WITHOUT_END,
            )
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert (shell.root / "tmp/bye").read_text() == "bye\n"
    assert shell.left() == []


@pytest.mark.timeout(60)
def test_output_that_cannot_be_passed_on_ends_the_step(shell: Shell) -> None:
    def fail(chunk: bytes) -> None:
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        shell.run(["/bin/sh", "-c", "echo x; sleep 100"], output=fail)
    assert shell.left() == []


def test_no_descriptor_is_left_open(shell: Shell) -> None:
    shell("true")
    before = len(os.listdir("/proc/self/fd"))
    shell("true")
    with pytest.raises(RunError):
        shell("false")
    with pytest.raises(RunError):
        shell.run(["/nothere"])
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_step_without_network_has_a_loopback_device_alone(shell: Shell) -> None:
    text = shell("ifconfig -a 2>/dev/null | grep -c 'Link encap'; ifconfig lo 2>/dev/null", network="none")
    assert text.startswith("1\n")
    assert "127.0.0.1" in text


PID_1 = """
    import sys, os, subprocess
    from pathlib import Path
    from yadokari_builder.run import reaper
    from yadokari_builder.run.command import Command
    from yadokari_builder.run.process import beside, run_step
    assert os.getpid() == 1
    reaper.adopt_orphans()
    earlier = subprocess.Popen(["sleep", "1000"])
    for script in sys.argv[2:]:
        root, command = Path(sys.argv[1]), Command(["/bin/sh", "-c", script], {"PATH": "/bin"})
        run_step(command, root=root, start=beside(command, root), stdin=0, output=lambda b: os.write(1, b))
    left = {p for p in os.listdir("/proc") if p.isdigit()} - {"1", str(earlier.pid)}
    print("left:", left, "earlier:", earlier.poll())
"""


def test_as_the_first_process_it_reaps_orphans_during_the_step_and_kills_what_is_left(root: Path) -> None:
    (root / "proc").mkdir()
    result = subprocess.run(
        [
            "unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", textwrap.dedent(PID_1), root,
            "for i in 1 2 3 4 5; do ( setsid sleep 0.1 & ) ; done; sleep 2.5; echo waited",
            "( setsid sh -c 'trap \"\" TERM; sleep 1000' & ); echo over",
        ],
        capture_output=True, text=True, timeout=60,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    assert (result.stdout, result.stderr) == ("waited\nover\nleft: set() earlier: None\n", "")


def own_children() -> list[str]:
    path = Path("/proc/self/task")
    return [child for task in path.iterdir() for child in (task / "children").read_text().split()]


def test_an_environment_that_no_process_can_have_is_explained(shell: Shell) -> None:
    with pytest.raises(RunError, match="could not be started: embedded null byte"):
        shell("true", env={"A": "b\0c"})
