import io
import json
import logging
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
    ticks = iter([0.0, 1.0, 3.5])
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
        "STEP 1/2 RUN make\ncompiling\nhalf a line\n50%\n100%\x1b[31m �bell\n"
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
