import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import datetime

import pytest

from yadokari_builder.build.progress import Progress
from yadokari_builder.command.report import configure


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def told(
    log_format: str, stream: io.StringIO | None = None, verbosity: str = "info", *, timestamp: bool = False
) -> str:
    stream = stream or io.StringIO()
    configure(stream, verbosity, log_format, timestamp=timestamp)
    ticks = iter([1.0, 3.5])
    progress = Progress(clock=lambda: next(ticks))
    progress.expect(2)
    progress.begin("RUN make")
    progress.output(b"compiling\r\nhalf a li")
    progress.output(b"ne\n50%\r100%\x1b[31m \x07bell")
    progress.end("layer of 1.0 kB")
    logging.getLogger("x").warning("beware")
    logging.getLogger("x").error("it failed")
    return stream.getvalue()


def test_people_read_steps_what_they_print_and_how_long_they_took() -> None:
    assert told("text") == (
        "STEP 1/2 RUN make\ncompiling\nhalf a line\n50%\n100%\x1b[31m �bell\x1b[0m\n"
        "  done in 2.5s: layer of 1.0 kB\nwarning: beware\nerror: it failed\n"
    )


def test_colours_are_for_terminals_only() -> None:
    assert "\x1b[1" not in told("color")
    assert "\x1b[1;36mSTEP 1/2 RUN make\x1b[0m" in told("color", Terminal())
    assert "\x1b[1" not in told("text", Terminal())


def test_machines_read_one_object_a_line() -> None:
    records = [json.loads(line) for line in told("json").splitlines()]
    assert [record["msg"] for record in records[:3]] == ["STEP 1/2 RUN make", "compiling", "half a line"]
    assert records[0]["kind"] == "step"
    assert (records[1]["kind"], records[1]["step"], records[1]["steps"]) == ("output", 1, 2)
    assert [record["level"] for record in records[-2:]] == ["warning", "error"]
    assert all(record["time"].endswith("+00:00") for record in records)


def test_who_wants_warnings_only_gets_no_progress() -> None:
    assert told("text", verbosity="warn") == "warning: beware\nerror: it failed\n"


def test_the_time_stands_before_each_line_where_that_is_asked_for() -> None:
    lines = told("text", timestamp=True).splitlines()
    times = [datetime.fromisoformat(line.split(" ", 1)[0]) for line in lines]
    assert all(time.tzinfo for time in times)
    assert [line.split(" ", 1)[1] for line in lines] == told("text").splitlines()


def test_what_others_have_named_cannot_do_anything_to_a_terminal() -> None:
    stream = io.StringIO()
    configure(stream, "info", "text")
    logging.getLogger("x").warning("user %s is not there\nhere neither", "\x1b]0;mine\x07\udcff")
    assert stream.getvalue() == "warning: user \\x1b]0;mine\\a\\xff is not there\nhere neither\n"


@pytest.mark.parametrize("verbosity", ["info", "trace"])
def test_nothing_is_passed_on_of_a_library_that_tells_urls_with_what_is_secret_in_them(
    verbosity: str,
) -> None:
    stream = io.StringIO()
    configure(stream, verbosity, "text")
    logging.getLogger("urllib3.connectionpool").warning("Retrying after connection broken: /x?token=secret")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("variables", "terminal", "coloured"),
    [
        ({}, True, True),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({}, False, False),
        ({"CLICOLOR_FORCE": "1"}, False, True),
        ({"CLICOLOR_FORCE": "0"}, False, False),
        ({"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_variables_say_whether_there_are_colours(
    variables: dict[str, str], terminal: bool, coloured: bool
) -> None:
    stream = Terminal() if terminal else io.StringIO()
    configure(stream, "info", "color", environment=variables)
    logging.getLogger("x").error("it failed")
    assert ("\x1b[" in stream.getvalue()) == coloured


def test_steps_that_print_colours_lose_them_where_nobody_wants_any() -> None:
    assert "\x1b[32mok\x1b[0m" in built({})
    assert "ok" in built({"NO_COLOR": "1"})
    assert "\x1b" not in built({"NO_COLOR": "1"})


FORGED = b"::add-mask::x\n  ::stop-commands::mine\n##[set-output name=a]b\n\x1b[32mok\n::endgroup::"


def built(environment: dict[str, str]) -> str:
    """A build of two steps, the second of which fails, as its log stands in a pipe."""
    stream = io.StringIO()
    configure(stream, "info", "color", environment=environment)
    progress = Progress(clock=lambda: 0.0)
    progress.expect(2)
    progress.begin("RUN make 100%")
    progress.output(FORGED)
    progress.end("layer of 1.0 kB")
    progress.begin("RUN false")
    progress.tell(1, "pushed")
    progress.output(b"\x1b[0Ksection_end:1:yadokari_step_2\r\x1b[0Klast words\n")
    progress.fail()
    logging.getLogger("x").error("Dockerfile:2\n::warning::RUN false")
    for handler in logging.getLogger().handlers:
        handler.close()
    return stream.getvalue()


def test_on_github_steps_are_groups_and_nothing_that_is_printed_is_a_command() -> None:
    obeyed = as_github_does(built({"GITHUB_ACTIONS": "true"}))
    assert [line for line in obeyed if line.startswith("::")] == [
        "::group::STEP 1/2 RUN make 100%25",
        "::endgroup::",
        "::group::STEP 2/2 RUN false",
        "::endgroup::",
    ]
    assert obeyed[-2:] == ["Dockerfile:2", " ::warning::RUN false"]
    assert obeyed.index("last words") < obeyed.index("Dockerfile:2") - 1


def as_github_does(log: str) -> list[str]:
    """Read a log as the runner does: its commands, and all other lines, with a blank where one is none."""
    seen, token = [], ""
    for line in log.splitlines():
        is_command = line.lstrip().startswith("::") or "##[" in line
        if token:
            if line.strip() == f"::{token}::":
                token = ""
            else:
                seen.append(f" {line}" if is_command else line)
        elif line.startswith("::stop-commands::"):
            token = line.removeprefix("::stop-commands::")
        else:
            seen.append(line)
    assert not token, "commands of what runs afterwards are taken again"
    return [line.removeprefix("error: ") for line in seen]


def test_on_gitlab_steps_are_sections_which_no_step_can_end() -> None:
    log = re.sub(r":\d{9,}:", ":TIME:", built({"GITLAB_CI": "true"}))
    mark = "\x1b[0Ksection_{}:TIME:yadokari_step_{}\r\x1b[0K".format
    assert log.startswith(mark("start", 1) + "STEP 1/2 RUN make 100%\n")
    assert log.endswith(
        mark("start", 2) + "STEP 2/2 RUN false\n  STEP 1/2: pushed\n"
        "section_end:1:yadokari_step_2\nlast words\n"
        + mark("end", 2)
        + "\nerror: Dockerfile:2\n::warning::RUN false\n"
    )
    assert log.count("\x1b[0K") == 8


def test_machines_get_no_sections() -> None:
    stream = io.StringIO()
    configure(stream, "info", "json", environment={"GITHUB_ACTIONS": "true"})
    logging.getLogger("x").info("hello")
    assert json.loads(stream.getvalue())["msg"] == "hello"
