import io
import json
import logging
from collections.abc import Iterator

import pytest

from yadokari_builder.build.progress import Progress, counted, human_size
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


def told(log_format: str, stream: io.StringIO | None = None, verbosity: str = "info") -> str:
    stream = stream or io.StringIO()
    configure(stream, verbosity, log_format)
    ticks = iter([0.0, 1.0, 3.5])
    progress = Progress(2, clock=lambda: next(ticks))
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


def test_what_comes_of_an_earlier_step_names_it() -> None:
    stream = io.StringIO()
    configure(stream, "info", "json")
    progress = Progress(3)
    for step in ("FROM a", "RUN b", "RUN c"):
        progress.begin(step)
    progress.tell(2, "layer of 1.0 kB")
    told = json.loads(stream.getvalue().splitlines()[-1])
    assert (told["msg"], told["step"]) == ("  STEP 2/3: layer of 1.0 kB", 2)


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    stream = io.StringIO()
    configure(stream, "info", "text")
    progress = Progress(1)
    progress.begin("RUN yes")
    for _ in range(100):
        progress.output(b"x" * 1000)
    assert len(stream.getvalue()) > 80_000


def test_characters_cut_between_chunks_stay_whole() -> None:
    stream = io.StringIO()
    configure(stream, "info", "text")
    progress = Progress(1)
    progress.begin("RUN echo")
    for byte in "äöü 宿借り\n".encode():
        progress.output(bytes([byte]))
    assert "äöü 宿借り" in stream.getvalue()


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (51_200_000, "51.2 MB"), (4e12, "4.0 TB")],
)
def test_sizes_are_written_for_people(size: int, text: str) -> None:
    assert human_size(size) == text


def test_one_thing_is_not_many() -> None:
    assert [counted(number, "layer") for number in (0, 1, 2)] == ["0 layers", "1 layer", "2 layers"]
