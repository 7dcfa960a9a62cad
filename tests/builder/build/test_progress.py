import io
import itertools
import json
import logging
import time
from collections.abc import Iterator

import pytest

from yadokari_builder.build.progress import Phases, Progress, counted
from yadokari_builder.command.report import configure
from yadokari_contract.progress import REPEATED_AFTER


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_step_counts_when_it_is_done() -> None:
    progress = Progress()
    progress.expect(2)
    progress.begin("FROM scratch")
    assert (progress.done, progress.number) == (0, 1)
    progress.end()
    progress.begin("RUN false")
    progress.fail()
    assert (progress.done, progress.number, progress.total) == (1, 2, 2)
    progress.start_again()
    assert progress.done == 0


def test_a_long_instruction_is_named_by_its_beginning() -> None:
    stream = io.StringIO()
    configure(stream, "info", "text")
    progress = Progress()
    progress.expect(3)
    progress.begin("RUN " + "make && " * 50)
    progress.end()
    progress.begin("RUN echo ok")
    progress.end()
    lines = stream.getvalue().splitlines()
    assert len(lines[0]) < 140
    assert lines[0].startswith("STEP 1/3 RUN make && make")
    assert lines[0].endswith("…")
    assert lines[2] == "STEP 2/3 RUN echo ok"


def printed(*outputs: bytes, log: str = "text") -> list[str]:
    """What is in the log of a step that prints this, behind the line that begins it."""
    stream = io.StringIO()
    configure(stream, "info", log)
    progress = Progress()
    progress.expect(3)
    progress.begin("RUN make")
    for output in outputs:
        progress.output(output)
    return stream.getvalue().splitlines()[1:]


@pytest.mark.parametrize("pieces", [[b"x\n" * 30_000], [b"x\n"] * 30_000, [b"x\n" * 30, b"y\n" * 720] * 40])
def test_wherever_a_long_log_is_cut_its_end_tells_the_step(pieces: list[bytes]) -> None:
    lines = printed(*pieces)
    told = [number for number, line in enumerate(lines) if line == "STEP 1/3 (goes on) RUN make"]
    assert len(told) == 60
    assert all(after - before <= REPEATED_AFTER + 1 for before, after in itertools.pairwise([-1, *told]))
    assert [line for line in lines if "STEP" not in line] == b"".join(pieces).decode().split()


def test_long_lines_count_as_the_many_that_a_node_makes_of_them() -> None:
    lines = printed(*[("é" * 8 * 1024 + "\n").encode()] * 400)
    told = [number for number, line in enumerate(lines) if "goes on" in line]
    assert max(after - before for before, after in itertools.pairwise(told)) <= REPEATED_AFTER / 2


def test_a_short_log_tells_the_step_once() -> None:
    assert printed(b"one\n\ntwo\n") == ["one", "", "two"]
    assert len(printed(b"x\n" * (REPEATED_AFTER - 1))) == REPEATED_AFTER - 1


def test_a_phase_counts_whatever_comes_of_it() -> None:
    ticks = iter([0.0, 1.5, 2.0, 2.25])
    phases = Phases(clock=lambda: next(ticks))
    with phases.timed("plan"):
        pass
    with pytest.raises(ValueError, match="wrong"), phases.timed("build"):
        raise ValueError("wrong")
    assert [(phase.name, phase.seconds) for phase in phases] == [("plan", 1.5), ("build", 0.25)]


def test_what_comes_of_an_earlier_step_names_it() -> None:
    stream = io.StringIO()
    configure(stream, "info", "json")
    progress = Progress()
    progress.expect(3)
    for step in ("FROM a", "RUN b"):
        progress.begin(step)
        progress.end()
    progress.tell(2, "layer of 1.0 kB")
    told = json.loads(stream.getvalue().splitlines()[-1])
    assert (told["msg"], told["step"]) == ("  STEP 2/3: layer of 1.0 kB", 2)


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    stream = io.StringIO()
    configure(stream, "info", "text")
    progress = Progress()
    progress.expect(1)
    progress.begin("RUN yes")
    for _ in range(100):
        progress.output(b"x" * 1000)
    assert len(stream.getvalue()) > 80_000


def test_characters_cut_between_chunks_stay_whole() -> None:
    stream = io.StringIO()
    configure(stream, "info", "text")
    progress = Progress()
    progress.expect(1)
    progress.begin("RUN echo")
    for byte in "äöü 宿借り\n".encode():
        progress.output(bytes([byte]))
    assert "äöü 宿借り" in stream.getvalue()


def test_lines_that_end_as_on_other_systems_are_lines_wherever_they_are_cut() -> None:
    stream = io.StringIO()
    configure(stream, "info", "text")
    progress = Progress()
    for data in (b"a\r\nb\r", b"\nc\rd", b"\r", b"\r\n"):
        progress.output(data)
    progress.fail()
    assert stream.getvalue() == "a\nb\nc\nd\n\n"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_half_a_million_short_lines_cost_little(log_format: str) -> None:
    stream = io.StringIO()
    configure(stream, "info", log_format)
    progress = Progress()
    data = b"".join(b"%d\n" % number for number in range(500_000))
    began = time.process_time()
    for start in range(0, len(data), 4096):
        progress.output(data[start : start + 4096])
    # Line by line it was 4 s and more.
    assert time.process_time() - began < 1.5
    assert stream.getvalue().count("\n") == 500_000 + 500_000 // REPEATED_AFTER


def test_one_thing_is_not_many() -> None:
    assert [counted(number, "layer") for number in (0, 1, 2)] == ["0 layers", "1 layer", "2 layers"]
