"""Small languages within the language: ports, durations, signals, numbers, texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_builder.dockerfile import ports, signals
from yadokari_builder.dockerfile.durations import format_duration, parse_duration
from yadokari_builder.dockerfile.literals import parse_bool, parse_size, parse_unsigned, split_fields
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.quoting import quote, quote_all


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", ("80/tcp",)),
        ("80/UDP", ("80/udp",)),
        ("80-82/sctp", ("80/sctp", "81/sctp", "82/sctp")),
        ("8080:80", ("80/tcp",)),
        ("127.0.0.1:8080-8090:80", ("80/tcp",)),
        ("[::1]::80", ("80/tcp",)),
    ],
)
def test_ports_are_read(text: str, expected: tuple[str, ...]) -> None:
    assert ports.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'invalid port: "": no port specified'),
        ("80/http", 'invalid port: "80/http": invalid proto: http'),
        ("a", "invalid containerPort: a"),
        ("65536", "invalid containerPort: 65536"),
        ("82-80", "invalid containerPort: 82-80"),
        ("80-", "invalid containerPort: 80-"),
        ("x:80", "invalid hostPort: x"),
        ("1-2:80-83", "invalid ranges specified for container and host Ports: 80-83 and 1-2"),
        ("localhost:1:80", "invalid IP address: localhost"),
        ("fe80::1%1:1:80", "invalid IP address: fe80::1%1"),
    ],
)
def test_wrong_ports_are_refused(text: str, message: str) -> None:
    with pytest.raises(LanguageError) as refused:
        ports.parse(text)
    assert refused.value.message == message


@pytest.mark.parametrize(
    ("text", "nanoseconds", "canonical"),
    [
        ("0", 0, "0s"),
        ("1.5h", 5_400_000_000_000, "1h30m0s"),
        ("1m0.5s", 60_500_000_000, "1m0.5s"),
        ("300ms", 300_000_000, "300ms"),
        ("1.5us", 1_500, "1.5µs"),
        ("1µs1ns", 1_001, "1.001µs"),
        ("-2s", -2_000_000_000, "-2s"),
        (".5s", 500_000_000, "500ms"),
        ("+1.s", 1_000_000_000, "1s"),
    ],
)
def test_durations_are_read_and_written(text: str, nanoseconds: int, canonical: str) -> None:
    assert parse_duration(text) == nanoseconds
    assert format_duration(nanoseconds) == canonical


@given(st.integers(-(1 << 63) + 1, (1 << 63) - 1))
def test_a_written_duration_is_read_as_the_same(nanoseconds: int) -> None:
    assert parse_duration(format_duration(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'time: invalid duration ""'),
        ("1", 'time: missing unit in duration "1"'),
        ("s", 'time: invalid duration "s"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("1s-", 'time: unknown unit "s-" in duration "1s-"'),
        ("9999999h", 'time: invalid duration "9999999h"'),
        ("1" * 5000 + "h", f'time: invalid duration "{"1" * 5000}h"'),
    ],
)
def test_wrong_durations_are_refused(text: str, message: str) -> None:
    with pytest.raises(LanguageError) as refused:
        parse_duration(text)
    assert refused.value.message == message


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("SIGTERM", 15),
        ("kill", 9),
        ("9", 9),
        ("300", 300),
        ("SIGRTMIN+3", 37),
        ("rtmax-14", 50),
        ("RTMIN", 34),
    ],
)
def test_signals_are_known_by_name_and_number(text: str, number: int) -> None:
    assert signals.parse(text) == number


@pytest.mark.parametrize("text", ["", "0", "SIGFOO", "RTMIN+16", "RTMAX-15", "TERM "])
def test_wrong_signals_are_refused(text: str) -> None:
    with pytest.raises(LanguageError) as refused:
        signals.parse(text)
    assert refused.value.message == f"invalid signal: {text}"


def test_literals_are_read_as_go_does() -> None:
    assert [parse_bool(text) for text in ("1", "T", "true", "0", "F", "False")] == [True] * 3 + [False] * 3
    assert (parse_unsigned("0755", 8), parse_unsigned("42", 10)) == (0o755, 42)
    assert [parse_size(text) for text in ("1", "1b", "2k", "2KB", "1.5MiB", "1 g", "+1e3k")] == [
        1, 1, 2048, 2048, 1_572_864, 1 << 30, 1_024_000,
    ]  # fmt: skip
    assert split_fields('a,"b,c","d""e",') == ("a", "b,c", 'd"e', "")


@pytest.mark.parametrize("text", ["", "yes", "tRUE"])
def test_other_words_are_no_truth_values(text: str) -> None:
    with pytest.raises(LanguageError):
        parse_bool(text)


@pytest.mark.parametrize("text", ["", "-1", "8", "4294967296", "1" * 5000])
def test_other_texts_are_no_octal_numbers(text: str) -> None:
    with pytest.raises(LanguageError):
        parse_unsigned(text if text != "4294967296" else "40000000000", 8)


@pytest.mark.parametrize(
    "text", ["", "k", "-1", "1kk", "1bb", "1.2.3", "1x", "1e", "9" * 400, "1e19", "9000p"]
)
def test_other_texts_are_no_sizes(text: str) -> None:
    with pytest.raises(LanguageError):
        parse_size(text)


def test_texts_are_quoted_as_go_does() -> None:
    assert quote('a"\\\n\x00é\u200b\udcff\U0010ffff') == '"a\\"\\\\\\n\\x00é\\u200b\\xff\\U0010ffff"'
    assert quote_all(("a b", "")) == '["a b" ""]'
