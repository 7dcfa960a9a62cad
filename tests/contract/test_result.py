import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_contract.results.bounded import MAX_BYTES
from yadokari_contract.results.build import (
    BaseImage,
    BuildResult,
    Failure,
    Phase,
    ResultError,
    format_result,
    parse_result,
)
from yadokari_contract.results.lodging import LodgingResult

any_text = st.text(st.characters(exclude_categories=["Cs"]))
failures = st.builds(
    Failure,
    reason=st.text("abcXYZ", max_size=30),
    message=any_text,
    line=st.integers(0, 10**6),
    log_tail=any_text,
)
results = st.builds(
    BuildResult,
    digest=any_text,
    size=st.integers(0, 2**50),
    images=st.lists(any_text, max_size=5).map(tuple),
    context=any_text,
    bases=st.lists(st.builds(BaseImage, any_text, any_text), max_size=3).map(tuple),
    phases=st.lists(st.builds(Phase, any_text, st.floats(0, 1e6)), max_size=5).map(tuple),
    steps=st.integers(0, 100),
    total_steps=st.integers(0, 100),
    cached=st.integers(0, 100),
    performed=st.integers(0, 100),
    missed=st.integers(0, 100),
    misses=st.lists(any_text, max_size=5).map(tuple),
    saved=st.floats(0, 1e6),
    lodging=st.none() | st.builds(LodgingResult, any_text, any_text, any_text, any_text, st.floats(0, 1e6)),
    failure=st.none() | failures,
)


@given(results)
def test_a_result_that_fits_is_read_back_as_it_was(result: BuildResult) -> None:
    text = format_result(result)
    assert len(text.encode()) <= MAX_BYTES
    if len(json.dumps(text)) < MAX_BYTES - 200 and "…" not in text:
        assert parse_result(text) == result


@given(st.text(min_size=1), st.integers(0, 20_000), st.integers(0, 20_000))
def test_a_failure_of_any_length_fits_the_termination_message(unit: str, message: int, tail: int) -> None:
    failure = Failure("StepFailed", (unit * message)[:message], 7, (unit * tail)[:tail])
    text = format_result(BuildResult(failure=failure))
    assert len(text.encode()) <= MAX_BYTES
    read = parse_result(text).failure
    assert read is not None
    assert (read.reason, read.line) == ("StepFailed", 7)


def test_a_long_log_loses_its_beginning_and_the_message_stays_whole() -> None:
    failure = Failure("StepFailed", "exit code: 1", 3, "first\n" + "x\n" * 5000 + "the last line")
    read = parse_result(format_result(BuildResult(failure=failure))).failure
    assert read is not None
    assert read.message == "exit code: 1"
    assert read.log_tail.endswith("the last line")
    assert "first" not in read.log_tail


def test_a_long_log_leaves_room_for_the_first_miss_alone() -> None:
    misses = tuple(f"COPY {number} .: " + "x" * 200 for number in range(40))
    failure = Failure("StepFailed", "exit code: 1", 3, "x\n" * 3000)
    read = parse_result(format_result(BuildResult(misses=misses, failure=failure)))
    assert (read.misses, read.failure and read.failure.message) == (misses[:1], "exit code: 1")


@pytest.mark.parametrize("name", ["\0" * 5000, "x" * 5000, "\x1b" * 43])
def test_a_miss_however_long_leaves_room_for_the_log(name: str) -> None:
    failure = Failure("StepFailed", "exit code: 1", 3, "x\n" * 2000 + "the last line")
    read = parse_result(format_result(BuildResult(misses=(f"COPY {name} .: new",), failure=failure)))
    assert read.misses[0].startswith("COPY ")
    assert read.misses[0].endswith("…")
    assert len(json.dumps(read.misses[0], ensure_ascii=False).encode()) <= 256
    assert read.failure
    assert read.failure.log_tail.endswith("the last line")
    assert len(json.dumps(read.failure.log_tail)) > 3000


@given(st.lists(any_text.filter(lambda it: len(it) < 40), min_size=1, max_size=200).map(tuple))
def test_of_many_misses_the_first_are_kept(misses: tuple[str, ...]) -> None:
    text = format_result(BuildResult(misses=misses))
    kept = parse_result(text).misses
    assert kept == misses[: len(kept)]
    if 1 < len(kept) < len(misses):
        longer = format_result(BuildResult(misses=misses[: len(kept) + 1]))
        assert parse_result(longer).misses == kept, "there is no room for another one"


def test_many_images_and_phases_do_not_break_the_bound() -> None:
    result = BuildResult(
        digest="sha256:" + "0" * 64,
        images=tuple(f"registry.example.com/{'x' * 200}/{i}" for i in range(50)),
        phases=tuple(Phase("p" * 100, 1.0) for _ in range(50)),
        bases=tuple(BaseImage("x" * 200, "sha256:" + "0" * 64) for _ in range(50)),
    )
    text = format_result(result)
    assert len(text.encode()) <= MAX_BYTES
    assert parse_result(text).digest == result.digest


def test_bases_stay_where_images_and_phases_are_too_many() -> None:
    bases = tuple(BaseImage(f"registry.example.com/base:{i}", "sha256:" + "0" * 64) for i in range(5))
    result = BuildResult(images=tuple("x" * 100 for _ in range(50)), bases=bases)
    assert parse_result(format_result(result)).bases == bases


def test_fields_of_a_newer_executor_are_left_out() -> None:
    text = '{"digest":"sha256:1","new":1,"failure":{"reason":"R","message":"m","new":2}}'
    assert parse_result(text) == BuildResult(digest="sha256:1", failure=Failure("R", "m"))


@pytest.mark.parametrize(
    "text", ["", "Killed", "[]", '{"digest":1}', '{"failure":{"line":3}}', '{"failure":"no"}']
)
def test_what_is_no_result_is_refused(text: str) -> None:
    with pytest.raises(ResultError):
        parse_result(text)
