import pytest

from yadokari_builder.dockerfile.heredoc import chomp, marks_of, parse_mark
from yadokari_builder.dockerfile.instructions import Copy, Heredoc, Onbuild, Run
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.parser import parse
from yadokari_builder.errors import DockerfileError


def instruction(text: str) -> object:
    (only,) = parse(f"FROM a\n{text}").stages[0].instructions
    return only


def test_a_quoted_word_asks_for_no_expansion() -> None:
    marks = [parse_mark(word) for word in ("<<A", "<<'A'", '<<"A"', "<<-A", "3<<A")]
    assert [(mark.expand, mark.chomp, mark.file_descriptor) for mark in marks if mark] == [
        (True, False, 0),
        (False, False, 0),
        (False, False, 0),
        (True, True, 0),
        (True, False, 3),
    ]


@pytest.mark.parametrize("word", ["", "A", "<<", "<A", "<<<A", "<<A b"])
def test_other_words_are_no_marks(word: str) -> None:
    assert parse_mark(word) is None


def test_an_open_quote_in_a_mark_is_refused() -> None:
    with pytest.raises(LanguageError, match="single-quote"):
        parse_mark("<<'A")


def test_a_line_that_only_the_shell_understands_has_no_heredocs() -> None:
    assert marks_of("RUN echo ${x=1} <<A") == []


def test_chomping_takes_leading_tabs_and_nothing_else() -> None:
    assert chomp("\t\ta\n \tb\n") == "a\n \tb\n"


def test_copy_takes_several_files_and_paths() -> None:
    copied = instruction("COPY <<one /x <<-'two' /to/\n1\none\n\t2\n\ttwo\n")
    heredocs = (Heredoc("one", "1\n"), Heredoc("two", "2\n", expand=False))
    assert copied == Copy(("/x",), "/to/", heredocs)


def test_run_keeps_the_tabs_for_the_shell_to_take() -> None:
    ran = instruction("RUN <<-A cat\n\tx\nA")
    assert isinstance(ran, Run)
    assert ran.command.words == ("<<-A cat",)
    assert ran.command.heredocs == (Heredoc("A", "\tx\n", chomp=True),)


def test_the_lines_of_a_heredoc_belong_to_its_instruction() -> None:
    stage = parse("FROM a\nRUN <<A\n# kept\\\n\nA\nUSER b").stages[0]
    assert [(one.location.start, one.location.end) for one in stage.instructions] == [(2, 5), (6, 6)]


def test_onbuild_carries_the_heredocs_of_what_it_holds() -> None:
    assert instruction("ONBUILD COPY <<A /x\nhi\nA") == Onbuild("COPY <<A /x\nhi\nA")


def test_json_and_other_instructions_have_no_heredocs() -> None:
    assert len(parse('FROM a\nRUN ["<<A"]\nUSER <<A\nENV a=<<A').stages[0].instructions) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("RUN <<A\nb", "unterminated heredoc"),
        ("COPY a <<A\nA", "COPY cannot accept a heredoc as a destination"),
        ("ADD a <<A\nA", "ADD cannot accept a heredoc as a destination"),
    ],
)
def test_wrong_heredocs_are_refused(text: str, message: str) -> None:
    with pytest.raises(DockerfileError) as refused:
        instruction(text)
    assert (refused.value.message, refused.value.line) == (message, 2)
