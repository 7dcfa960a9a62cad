import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_builder.dockerfile.automaton import Automaton
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.regexp import parse

ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "(a|b)", "(a*/)", r"\d", r"\W", r"\b", "^", "$", "/"])
PIECES = st.builds(
    lambda atom, count: atom + (count if atom not in (r"\b", "^", "$") else ""),
    ATOMS,
    st.sampled_from(["", "", "*", "?", "{2}", "{0,2}", "{1,}"]),
)
EXPRESSIONS = st.lists(st.lists(PIECES, max_size=4).map("".join), min_size=1, max_size=3).map("|".join)
TEXTS = st.text("ab/1 ", max_size=8)


def found(text: str, *expressions: str) -> int:
    return Automaton(map(parse, expressions)).run(text).matched


@given(EXPRESSIONS, TEXTS)
def test_an_expression_is_found_where_python_finds_it(expression: str, text: str) -> None:
    assert found(text, expression) == bool(re.search(expression.replace("$", r"\Z"), text, re.ASCII))


@given(st.lists(EXPRESSIONS, max_size=4), TEXTS)
def test_several_expressions_are_found_as_each_alone(expressions: list[str], text: str) -> None:
    assert found(text, *expressions) == sum(found(text, one) << at for at, one in enumerate(expressions))


@given(EXPRESSIONS, TEXTS, TEXTS)
def test_an_expression_that_matches_a_longer_text_is_alive_before(
    expression: str, text: str, following: str
) -> None:
    automaton = Automaton([parse(expression)])
    assert automaton.run(text).alive or not automaton.run(text + following).matched


@pytest.mark.parametrize(
    ("expression", "text", "expected"),
    [
        (r"^a.b$", "a\nb", False),
        (r"^a[^/]b$", "a\nb", True),
        (r"^a$", "a\n", False),
        (r"\Aa\z", "a", True),
        (r"^\Qa.*$", "a.*$", True),
        (r"^\Qa.\E.$", "a.x", True),
        (r"^\x61\x{62}\143$", "abc", True),
        (r"^\a\t\_\.$", "\a\t_.", True),
        (r"^[[:alpha:]\d_-]*$", "aZ9_-", True),
        (r"^[[:^digit:]]$", "1", False),
        (r"^[]a]*$", "]a", True),
        (r"^a{2,}$", "aaa", True),
        (r"^a{,2}$", "a{,2}", True),
        (r"^{0}b", "ab", True),
        (r"^a|b$", "ax", True),
        ("^\ufffd$", "\udcff", True),
        (r"^.[^a]$", "\udcff\udcff", True),
    ],
)
def test_expressions_are_go_s(expression: str, text: str, expected: bool) -> None:
    assert bool(found(text, expression)) is expected


@pytest.mark.parametrize(
    "expression",
    [
        *("a**", "a{2}{3}", "*a", "|?", "({2})", "a{1001}", "a{3,2}", "(a", "a)", "[a", "[", "[b-a]"),
        *(
            "[[:no:]]",
            r"\q",
            r"\C",
            r"\8",
            r"\1",
            r"\é",
            r"\x4",
            r"\x{110000}",
            r"[\b]",
            r"\pL",
            r"\P{Greek}",
        ),
    ],
)
def test_what_go_or_this_house_does_not_know_is_refused(expression: str) -> None:
    with pytest.raises(LanguageError):
        parse(expression)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "expression", ["^" + "a*" * 25 + "b$", "(.*a){20}$", "(a|a)*b", "^(.*/)?" + "a[^/]*" * 20 + "b$"]
)
def test_time_grows_with_the_text_alone(expression: str) -> None:
    started = time.process_time()
    assert not found("a" * 2_000 + "c", expression)
    assert time.process_time() - started < 5


def test_memory_does_not_grow_with_what_texts_ask_for() -> None:
    automaton = Automaton([parse("a[ab]{14}$")])
    words = [f"{number:017b}".replace("0", "a").replace("1", "b") for number in range(0, 1 << 17, 9)]
    assert [bool(automaton.run(word).matched) for word in words] == [word[2] == "a" for word in words]
    assert len(automaton._states) == 10_000


def test_expressions_that_are_too_large_are_refused() -> None:
    with pytest.raises(LanguageError, match="too large"):
        Automaton(parse(f"{number}{'a{1000}' * 100}") for number in range(10))
