import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_contract.progress import Progress, goes_on_line, parse_line, pushing_line, step_line


@given(st.integers(1, 500), st.integers(0, 500), st.text(min_size=1).filter(lambda it: it.strip() == it))
def test_a_step_is_read_as_it_was_written(number: int, more: int, instruction: str) -> None:
    line = step_line(number, number + more, f"RUN {instruction}").partition("\n")[0]
    found = parse_line(line.encode("utf-8", "replace"))
    assert found is not None
    assert (found.phase, found.step, found.steps) == ("Building", number, number + more)
    assert found.text.startswith("RUN")
    assert found.text.isprintable()


@pytest.mark.parametrize("instruction", ["RUN make", "FROM debian:12"])
def test_a_step_that_goes_on_is_told_as_it_was_when_it_began(instruction: str) -> None:
    begun, goes_on = step_line(2, 3, instruction), goes_on_line(2, 3, instruction)
    assert begun != goes_on
    assert parse_line(goes_on.encode()) == parse_line(begun.encode()) is not None


def test_while_a_base_comes_in_and_an_image_goes_out_other_words_are_used() -> None:
    assert parse_line(b"STEP 1/3 FROM debian:12") == Progress("Pulling", 1, 3, "FROM debian:12")
    line = pushing_line(["a/b:1", "c/d:2"]).encode()
    assert parse_line(line) == Progress("Pushing", 0, 0, "a/b:1, c/d:2")


def test_a_time_before_a_line_changes_nothing() -> None:
    line = b"2026-01-02T03:04:05.678+00:00 STEP 2/3 RUN make"
    assert parse_line(line) == Progress("Building", 2, 3, "RUN make")


def test_a_long_instruction_is_cut() -> None:
    found = parse_line(b"STEP 1/1 RUN " + b"x" * 10_000)
    assert found is not None
    assert len(found.text) == 120
    assert found.text.endswith("…")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"STEP",
        b"STEP 1/2 ",
        b"STEP 0/2 RUN a",
        b"STEP 3/2 RUN a",
        b"STEP -1/2 RUN a",
        b"STEP 1234567/1234567 RUN a",
        "STEP \u0661/\u0662 RUN a".encode(),
        b"  STEP 2/3: layer of 1.0 kB",
        b"not a time STEP 1/2 RUN a",
        b"PUSHING ",
        b"STEPS 1/2 RUN a",
    ],
)
def test_what_is_no_progress_is_none(line: bytes) -> None:
    assert parse_line(line) is None


def test_what_a_forged_line_shows_cannot_move_the_cursor_or_hide_anything() -> None:
    forged = "STEP 1/2 RUN \x1b[2J\x07 \u202egnp.exe \x00\x85end".encode()
    found = parse_line(forged)
    assert found is not None
    assert found.text == "RUN �[2J� �gnp.exe ��end"


@given(st.binary())
def test_no_line_is_too_strange(line: bytes) -> None:
    found = parse_line(line)
    assert found is None or (found.text.isprintable() and len(found.text) <= 120)
