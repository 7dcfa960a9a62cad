"""The plugin on a terminal, with a log that stops where the test wants to look."""

import os
import re
import signal
from pathlib import Path

import pytest

from support.played import Played
from support.plugin import Screen

SCREENS = Path(__file__).parents[2] / "data/screens"

LOG = """\
STEP 1/3 FROM busybox
  done in 0.4s: 1 layer unpacked
STEP 2/3 COPY . .
  cached: 1.2 kB
STEP 3/3 RUN make all
compiling \x1b]0;evil\x07one.c
\x1b[2J\x1b[Hcompiling two.c
compiling 日本語の名前のとても長いファイル、八十桁の端末には入り切らないので切られるはずのファイル.c
@look
compiling four.c
@end
"""


@pytest.fixture
def played(tmp_path: Path) -> Played:
    made = Played.within(tmp_path)
    made.write_log("app-1", LOG)
    made.status("Building")
    return made


def approved(screen: Screen, name: str) -> None:
    """Compare what comes to stand on a screen with what was looked at, but for durations."""
    kept = SCREENS / f"{name}-{screen.columns}.txt"
    if os.environ.get("SCREENS") == "write":
        kept.write_text(timeless(screen))
    expected = kept.read_text()
    screen.settle(lambda: timeless(screen) == expected)


def timeless(screen: Screen) -> str:
    return re.sub(r" *\d+\.\ds", lambda found: "#.#s".rjust(len(found[0])), screen.text)


@pytest.mark.parametrize("columns", [80, 200])
def test_a_build_is_drawn_in_place_and_ends_with_all_its_steps(played: Played, columns: int) -> None:
    screen = played.plugin.on_terminal("logs", "app", "-f", columns=columns)
    screen.wait_for("日本語")
    approved(screen, "terminal")
    played.go_on("look")
    screen.wait_for("four.c")
    played.status("Succeeded", output={"ref": "registry.test/app@sha256:4c3a"})
    played.go_on("end")
    assert screen.end() == 0
    approved(screen, "terminal-succeeded")


def test_a_failed_step_is_shown_with_its_last_lines_and_what_to_do(played: Played) -> None:
    played.go_on("look")
    screen = played.plugin.on_terminal("logs", "app", "-f")
    screen.wait_for("four.c")
    failure = {
        "reason": "StepFailed",
        "message": "Dockerfile:3: RUN ended\x1b]0;evil\x07 with exit code 2\n     3 | RUN make all",
        "logTail": "compiling three.c\n\x1b[2Jmake: *** [all] Error 1\n",
        "line": 3,
    }
    played.status("Failed", failure=failure)
    played.go_on("end")
    assert screen.end() == 1
    approved(screen, "terminal-failed")


@pytest.mark.parametrize("size", [(60, 24), (120, 12), (80, 7)])
def test_a_terminal_that_is_resized_shows_all_of_it_anew(played: Played, size: tuple[int, int]) -> None:
    screen = played.plugin.on_terminal("logs", "app", "-f")
    screen.wait_for("日本語")
    screen.resize(*size)
    screen.settle(
        lambda: (
            [line.startswith("[+] Building team/app") for line in screen.lines].count(True) == 1
            and screen.lines[0].startswith("[+]")
            and " => => # compiling two.c" in screen.text
            and max(map(len, screen.lines)) <= size[0]
        )
    )
    screen.process.kill(signal.SIGINT)
    assert screen.end() == 130


def test_an_interrupt_leaves_the_terminal_as_it_was_and_says_that_the_build_goes_on(played: Played) -> None:
    screen = played.plugin.on_terminal("logs", "app", "-f")
    screen.wait_for("日本語")
    screen.process.sendintr()
    assert screen.end() == 130
    text = " ".join(line.strip() for line in screen.lines)
    assert "the build goes on: 'kubectl imagebuild logs -f app' follows it" in text
    assert "Traceback" not in text
    modes = re.findall(rb"\x1b\[\?(\d+)([hl])", screen.raw)
    assert {mode for mode, _ in modes} == {b"7"}
    assert dict(modes)[b"7"] == b"h"
    assert b"\x1b]" not in screen.raw


def test_an_interrupt_before_it_has_begun_ends_it_without_a_word(played: Played, tmp_path: Path) -> None:
    (tmp_path / "argparse.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    screen = played.plugin.on_terminal(
        "logs", "app", "-f", PYTHONPATH=f"{tmp_path}:{played.plugin.variables['PYTHONPATH']}"
    )
    screen.end()
    assert (screen.process.signalstatus, screen.raw) == (signal.SIGINT, b"")


def test_a_second_interrupt_ends_it_at_once_and_without_a_word(played: Played) -> None:
    kubectl = played.folder / "bin/kubectl"
    ends = "trap 'kill -INT $PPID; exit' TERM"
    kubectl.write_text(f"#!/bin/sh\n{ends}\necho '{{}}'\nwhile sleep 0.1; do :; done\n")
    screen = played.plugin.on_terminal("logs", "app", "-f", "--progress", "plain")
    screen.wait_for("Pending")
    screen.process.kill(signal.SIGINT)
    screen.end()
    assert screen.process.signalstatus == signal.SIGINT
    assert "Traceback" not in screen.text


def test_without_colours_nothing_is_coloured(played: Played) -> None:
    played.go_on("look")
    screen = played.plugin.on_terminal("logs", "app", "-f", NO_COLOR="1")
    screen.wait_for("four.c")
    assert not re.search(rb"\x1b\[[0-9;]*m", screen.raw)
    screen.process.kill(signal.SIGINT)
    screen.end()


def test_a_pipe_gets_plain_lines(played: Played) -> None:
    played.go_on("look")
    played.go_on("end")
    played.status("Succeeded", output={"ref": "registry.test/app@sha256:4c3a"})
    said = played.plugin("logs", "app", "-f")
    assert said.code == 0
    assert said.notes == "team/app succeeded in 5s: registry.test/app@sha256:4c3a\n"
    lines = said.out.splitlines()
    assert lines[:3] == ["STEP 1/3 FROM busybox", "  done in 0.4s: 1 layer unpacked", "STEP 2/3 COPY . ."]
    assert lines[5:7] == ["compiling one.c", "compiling two.c"]


def test_progress_for_a_terminal_wants_one(played: Played) -> None:
    said = played.plugin("logs", "app", "-f", "--progress", "tty")
    assert (said.code, said.notes) == (
        2,
        "error: --progress=tty needs a terminal: leave it out, or say --progress=plain\n",
    )
