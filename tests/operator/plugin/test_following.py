"""Logs that break off, attempts that follow each other, and what is left running: nothing."""

import subprocess
from pathlib import Path

import pytest

from support.operator_process import wait_until
from support.played import Played
from support.watching import once

BUILT = {"ref": "registry.test/app@sha256:4c3a"}


@pytest.fixture
def played(tmp_path: Path) -> Played:
    return Played.within(tmp_path)


def programs(played: Played) -> str:
    """Name the stand-ins for kubectl that run."""
    done = subprocess.run(["pgrep", "-f", str(played.folder)], capture_output=True, text=True, check=False)
    return done.stdout


def test_a_connection_that_breaks_is_made_anew_and_no_line_comes_twice(played: Played) -> None:
    played.write_log("app-1", "STEP 1/1 RUN make\none\n!\ntwo\n  done in 1.0s\n@end\n")
    (played.folder / "app-1").touch()
    played.status("Building")

    def end() -> None:
        played.status("Succeeded", output=BUILT)
        (played.folder / "app-1").unlink()
        played.go_on("end")

    once(lambda: played.has_reached("end"), end)
    said = played.plugin("logs", "app", "-f")
    assert said.out.splitlines() == ["STEP 1/1 RUN make", "one", "two", "  done in 1.0s"]
    assert said.code == 0


def test_attempts_are_followed_one_after_the_other(played: Played) -> None:
    played.write_log("app-1", "STEP 1/1 FROM x\nerror: the registry failed\n@retry\n")
    played.write_log("app-2", "STEP 1/1 FROM y\n@end\n")
    played.status("Building")
    screen = played.plugin.on_terminal("logs", "app", "-f")
    screen.wait_for("the registry failed")
    played.go_on("retry")
    played.status("Retrying", message="503; tried again in 10 s")
    screen.wait_for("Retrying: 503; tried again in 10 s")
    assert "ERROR [1/1] FROM x" in screen.text
    played.status("Building", attempt=2)
    screen.wait_for("[1/1] FROM y")
    assert "attempt 2" in screen.lines[0]
    assert "FROM x" not in screen.text
    played.status("Succeeded", attempt=2, output=BUILT)
    played.go_on("end")
    assert screen.end() == 0


def test_waiting_too_long_leaves_nothing_running(played: Played) -> None:
    played.status("Pending", message="0/3 nodes are available")
    said = played.plugin("wait", "app", "--timeout", "1s")
    assert (said.code, said.notes) == (
        124,
        "error: app did not come to succeeded within 1s: Pending: 0/3 nodes are available;"
        " 'kubectl imagebuild describe app' tells more\n",
    )
    wait_until(lambda: programs(played) == "")


def test_what_is_so_already_takes_no_time(played: Played) -> None:
    played.status("Succeeded", output=BUILT)
    said = played.plugin("wait", "app", "app", "--timeout", "0s")
    assert (said.code, said.out.count("team/app succeeded")) == (0, 2)


def test_of_several_each_is_waited_for_and_one_that_fails_is_told_by_the_exit_code(played: Played) -> None:
    played.status("Failed", failure={"reason": "OOMKilled", "message": "more than 1Gi"})
    said = played.plugin("wait", "app", "app")
    assert (said.code, said.notes.count("error: team/app: OOMKilled")) == (1, 2)


def test_who_reads_no_further_ends_it_without_a_word(played: Played) -> None:
    played.write_log("app-1", "line\n" * 5_000)
    played.status("Succeeded", output=BUILT)
    reader = subprocess.run(
        ["bash", "-c", f"{played.command('logs', 'app')} | head -1"],
        env=played.plugin.variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (reader.stdout, reader.stderr) == ("line\n", "")


def test_waiting_ends_where_nothing_can_come_of_it_any_more(played: Played) -> None:
    played.status("Suspended", message="suspend is true")
    said = played.plugin("wait", "app")
    assert (said.code, said.notes) == (
        1,
        "error: team/app is Suspended and does not come to succeeded:"
        " 'kubectl imagebuild rebuild app' builds it\n",
    )
    played.status("Failed", failure={"reason": "OOMKilled", "message": "more than 1Gi\x1b[2J\nof memory"})
    said = played.plugin("wait", "app", "--for", "finished")
    assert said.code == 0
    assert said.notes == (
        "error: team/app: OOMKilled: more than 1Gi\nof memory\n"
        "what to do: raise executor.resources.limits.memory\n"
    )
    assert played.plugin("wait", "app", "--for", "condition=Ready=True").code == 1


def test_the_logs_of_several_platforms_come_one_after_the_other(played: Played) -> None:
    platforms = [
        {"platform": f"linux/{one}", "pod": f"app-{one}", "attempt": 1} for one in ("amd64", "arm64")
    ]
    for one in ("amd64", "arm64"):
        played.write_log(f"app-{one}", f"STEP 1/1 FROM {one}\n")
    played.status("Succeeded", output=BUILT, run={"platforms": platforms})
    for flags in ((), ("-f",)):
        said = played.plugin("logs", "app", *flags)
        assert said.out == "STEP 1/1 FROM amd64\nSTEP 1/1 FROM arm64\n"
        assert "team/app: linux/arm64, " in said.notes


def test_a_log_that_is_gone_is_said_to_be(played: Played) -> None:
    played.status("Pending", attempt=0, run={}, message="it waits for its turn")
    said = played.plugin("logs", "app")
    assert (said.code, said.notes) == (1, "error: team/app has no log yet: Pending: it waits for its turn\n")
    played.write_log("app-1", "")
    played.status("Succeeded", output=BUILT)
    said = played.plugin("logs", "app")
    assert (said.code, "has no log any more: its pod app-1 is gone" in said.notes) == (1, True)
