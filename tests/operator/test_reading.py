import itertools
import random
import time
import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_contract.progress import Progress
from yadokari_operator.progress.reading import LogReader

SECOND = Progress("Building", 2, 3, "RUN make")
LINES = b"resolving debian\nSTEP 1/3 FROM debian\n  done in 0.1s\nSTEP 2/3 RUN make\ngcc STEP 9/9 a\n"


def timed(lines: bytes, second: int = 1) -> bytes:
    """Put a time before each line, as the kubelet does."""
    time = b"2026-01-02T03:04:%02d.123456789Z " % second
    return b"".join(time + line for line in lines.splitlines(keepends=True))


LOG = timed(LINES)


def read(*pieces: bytes) -> Progress | None:
    reader = LogReader()
    for piece in pieces:
        reader.feed(piece)
    return reader.latest


def test_the_latest_step_is_told() -> None:
    assert read(LOG) == SECOND


def test_a_line_that_has_not_ended_is_none_yet() -> None:
    reader = LogReader()
    assert not reader.feed(timed(b"STEP 2/3 RUN ma"))
    assert reader.latest is None
    assert reader.feed(b"ke\n")
    assert reader.latest == SECOND


@given(st.lists(st.integers(0, len(LOG)), max_size=20))
def test_it_does_not_matter_in_which_pieces_a_log_comes(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(LOG)]
    assert read(*(LOG[a:b] for a, b in itertools.pairwise(places))) == SECOND


def test_the_same_again_is_nothing_new() -> None:
    reader = LogReader()
    assert reader.feed(LOG)
    assert not reader.feed(LOG)
    assert reader.feed(timed(b"PUSHING a/b:1\n"))
    assert not reader.feed(timed(b"PUSHING a/b:1\n", 2))


def test_what_was_printed_before_the_latest_tells_nothing_when_it_is_read_again() -> None:
    reader = LogReader()
    lines = [b"STEP 1/3 FROM a\n", b"STEP 2/3 RUN make\n", b"STEP 3/3 RUN test\n"]
    # Of zeros at the end of a second nothing is written.
    times = [b"2026-01-02T03:04:05Z ", b"2026-01-02T03:04:05.1Z ", b"2026-01-02T04:04:05.11+01:00 "]
    log = [time + line for time, line in zip(times, lines, strict=True)]
    assert [reader.feed(line) for line in log] == [True, True, True]
    reader.begin()
    assert [reader.feed(line) for line in log] == [False, False, False]
    assert reader.latest == Progress("Building", 3, 3, "RUN test")


def test_what_was_begun_before_a_log_is_read_again_is_no_part_of_a_line() -> None:
    reader = LogReader()
    reader.feed(timed(b"STEP 9/9 RUN "))
    reader.begin()
    assert reader.feed(timed(b"STEP 2/3 RUN make\n"))
    assert reader.latest == SECOND


@pytest.mark.parametrize("time", [b"", b"now ", b"2026-01-02T03:04:05 ", b"9999-99-99T99:99:99Z "])
def test_a_line_without_the_time_of_the_kubelet_tells_nothing(time: bytes) -> None:
    assert read(time + b"STEP 2/3 RUN make\n") is None


def test_no_step_can_say_when_it_printed_a_line() -> None:
    forged = timed(b"9998-01-01T00:00:00.0Z STEP 1/3 RUN make\n", 1)
    assert read(forged, timed(b"STEP 2/3 RUN make\n", 2)) == SECOND


def test_the_push_comes_after_all_steps() -> None:
    assert read(LOG + timed(b"PUSHING a/b:1\n")) == Progress("Pushing", 0, 0, "a/b:1")


def test_what_only_looks_like_progress_hides_nothing_before_it() -> None:
    others = timed(b"STEP by STEP we go\nSTEP 0/0 RUN a\nPUSHING \n")
    assert read(LOG, others) == SECOND
    assert read(LOG + others) == SECOND


def hundred_megabytes(kind: str) -> Iterable[bytes]:
    piece = {
        "lines with times": timed(b"[ 42%] Building CXX object src/CMakeFiles/app.dir/main.cpp.o\n") * 600,
        "lines": b"[ 42%] Building CXX object src/CMakeFiles/app.dir/main.cpp.o\n" * 1000,
        "no line's end": b"x" * 65_536,
        "no line's end, but marks": b"STEP 1/2" * 8192,
        "marks alone": b"STEP \n" * 10_922,
        "both marks": b"STEP x\nPUSHING \n" * 4096,
    }[kind]
    return [piece] * (100_000_000 // len(piece))


@pytest.mark.parametrize(
    "kind",
    ["lines", "lines with times", "no line's end", "no line's end, but marks", "marks alone", "both marks"],
)
def test_a_hundred_megabytes_cost_little_time_and_no_memory(kind: str) -> None:
    reader = LogReader()
    reader.feed(LOG)
    pieces = hundred_megabytes(kind)
    began = time.process_time()
    for piece in pieces:
        reader.feed(piece)
    assert time.process_time() - began < 1.5
    reader.feed(b"\n" + timed(b"STEP 3/3 RUN true\n", 2))
    assert reader.latest == Progress("Building", 3, 3, "RUN true")
    tracemalloc.start()
    reader.feed(pieces[0])  # type: ignore[index]
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 10_000


def test_a_line_too_long_to_be_progress_is_none_even_where_its_end_is_seen_alone() -> None:
    begin = random.Random(1).randbytes(5000).replace(b"\n", b" ")
    assert read(begin, timed(b"STEP 2/3 RUN make\n")) is None
    assert read(timed(b"STEP 2/3 RUN " + b"x" * 5000), b"\n") is None
