import time

import pytest

from yadokari_builder.dockerfile.directives import parse_directive
from yadokari_builder.dockerfile.gitref import parse_git_ref
from yadokari_builder.dockerfile.heredoc import parse_mark
from yadokari_builder.dockerfile.lines import LineReader, LogicalLine
from yadokari_builder.errors import DockerfileError


def read(text: str) -> list[LogicalLine]:
    return list(LineReader(text, "Dockerfile").logical_lines())


def texts(text: str) -> list[str]:
    return [line.text for line in read(text)]


def test_a_backslash_joins_lines_and_keeps_the_white_space() -> None:
    assert texts("RUN a \\\n  b\nRUN c") == ["RUN a   b", "RUN c"]


def test_comments_and_blank_lines_within_a_continuation_vanish() -> None:
    (line,) = read("RUN a \\\n# comment\n\n  \\\n  b\n")
    assert line.text == "RUN a     b"
    assert line.has_blank


def test_an_escaped_backslash_continues_nothing() -> None:
    assert texts("ENV a b\\\\\nRUN c") == ["ENV a b\\\\", "RUN c"]


def test_a_continuation_at_the_end_of_the_file_is_no_error() -> None:
    assert texts("RUN a \\") == ["RUN a "]


def test_windows_line_ends_and_a_byte_order_mark_are_taken_off() -> None:
    assert texts("\ufeffFROM a\r\nRUN b \\\r\n c\r\n") == ["FROM a", "RUN b  c"]


def test_lines_are_counted_from_one() -> None:
    locations = [line.location for line in read("# one\n\nFROM a\nRUN b \\\n c\n")]
    assert [(location.start, location.end) for location in locations] == [(3, 3), (4, 5)]


def test_comments_belong_to_the_instruction_below_them_until_an_empty_one() -> None:
    lines = read("\n# a\n#\n# b\n\n# c\nFROM x\nRUN y")
    assert [line.comments for line in lines] == [("b", "c"), ()]


def test_the_escape_directive_sets_the_continuation_character() -> None:
    assert texts("# escape=`\nRUN a `\n b\\\nRUN c") == ["RUN a  b\\", "RUN c"]


@pytest.mark.parametrize("before", ["\n", "# comment\n", "FROM a\n"])
def test_a_directive_that_comes_late_is_a_comment(before: str) -> None:
    assert texts(f"{before}# escape=`\nRUN a \\\n b")[-1] == "RUN a  b"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# escape=x\nFROM a", "invalid escape token 'x' does not match ` or \\"),
        ("# escape=`\n# escape=`\nFROM a", "only one escape parser directive can be used"),
        ("#syntax=a\n#SYNTAX=b\nFROM a", "only one syntax parser directive can be used"),
    ],
)
def test_wrong_directives_are_refused(text: str, message: str) -> None:
    with pytest.raises(DockerfileError) as refused:
        read(text)
    assert refused.value.message == message


@pytest.mark.parametrize("character", ["a", "é"])
def test_a_line_may_have_65535_bytes_and_no_more(character: str) -> None:
    filler = character * (65530 // len(character.encode()))
    line = filler + "a" * (65535 - len(filler.encode()))
    assert texts(line) == [line]
    with pytest.raises(DockerfileError, match="line greater than max allowed size of 65535"):
        read(line + "a")


def test_a_heredoc_is_read_with_its_line_ends() -> None:
    reader = LineReader("RUN <<A\r\nb\r\n\tA\r\nRUN c", "Dockerfile")
    lines = reader.logical_lines()
    next(lines)
    assert reader.heredoc("A", chomp=True) == "b\r\n"
    assert [line.text for line in lines] == ["RUN c"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("# syntax = a b \t", "a b"),
        ("#syntax=a\v", "a\v"),
        ("#SYNTAX=\t=", "="),
        ("# syntax=  ", " "),
        ("#syntax=\u00a0", "\u00a0"),
    ],
)
def test_a_directive_s_value_is_what_stands_between_the_blanks(text: str, value: str) -> None:
    directive = parse_directive(text[1:])
    assert directive
    assert (directive.name, directive.value) == ("syntax", value)


@pytest.mark.parametrize("text", ["# syntax", "# syntax=", "# syntax a=b", "# other=a", "# =a", "# 1=a"])
def test_other_comments_are_no_directives(text: str) -> None:
    assert parse_directive(text[1:]) is None


def test_long_lines_of_blanks_take_little_time() -> None:
    started = time.process_time()
    blanks = " " * 60_000
    assert parse_directive(f"syntax=a{blanks}b")
    assert parse_mark(f"<<{blanks}a<") is None
    assert parse_git_ref(f"git@h:{'?' * 60_000}\n") is None
    assert time.process_time() - started < 1
