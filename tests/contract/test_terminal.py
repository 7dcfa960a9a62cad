import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_contract.terminal import harmless

_ESCAPES = st.text(alphabet="\x1b\x9b\x9d\x90\x07\x9c[]PX^_0;:?m\\52cAh\n\té字\u202e ", max_size=40)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n字", "plain\ttext\n字"),
        ("\x1b]0;a title\x07after", "after"),
        ("\x1b]52;c;aGk=\x1b\\after", "after"),
        ("\x1b]52;c;never ended", ""),
        ("\x9d52;c;aGk=\x9cafter", "after"),
        ("\x1bP+q544e\x1b\\after", "after"),
        ("\x1b[2J\x1b[1;1Hover all", "over all"),
        ("\x1b[?1049h\x1b[>c\x9b31mc1", "c1"),
        ("\x1b(0lines\x1bcreset\x1b", "linesreset"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("bell\a back\b carriage\r", "bell\ufffd back\ufffd carriage\ufffd"),
        ("nothing \u202eturned\u202c around", "nothing \ufffdturned\ufffd around"),
    ],
)
def test_what_a_stranger_wrote_does_nothing_to_a_terminal(text: str, shown: str) -> None:
    assert harmless(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m and plain", "\x1b[1;31mred\x1b[0m and plain"),
        ("\x1b[38:2::1:2:3mtrue", "\x1b[38:2::1:2:3mtrue\x1b[0m"),
        ("\x1b[31mred\nplain", "\x1b[31mred\x1b[0m\nplain"),
        ("\x1b[31mred\x1b[K\x1b]0;x\x07\x1b[m", "\x1b[31mred\x1b[m"),
    ],
)
def test_colours_may_stay_and_end_with_their_line(text: str, shown: str) -> None:
    assert harmless(text, colours=True) == shown


@given(_ESCAPES)
def test_whatever_is_written_no_control_character_comes_through(text: str) -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", harmless(text))
    assert harmless(text).count("\n") == text.count("\n")


@given(_ESCAPES)
def test_whatever_is_written_only_colours_come_through(text: str) -> None:
    shown = harmless(text, colours=True)
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;:]*m", "", shown)
    assert harmless(shown) == harmless(text)
