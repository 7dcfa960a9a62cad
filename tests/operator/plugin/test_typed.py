"""What is put at the end of a line in bash is the word that was meant, by the word of bash itself."""

import re
import subprocess
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubectl_imagebuild.typed import Typed

BREAKS = " \t\n\"'@><=;|&(:"
"""As bash has them."""

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=20)
NAMES |= st.text(" '\"\\$`@:=#~*?a", min_size=1, max_size=20)


def plainly(text: str) -> str:
    """Type text without quotes."""
    return re.sub(r"(\W)", r"\\\1", text)


def with_breaks(text: str) -> str:
    """Type text without quotes, and without a backslash where that can be."""
    return re.sub(r"([^\w@:=])", r"\\\1", text)


def in_single_quotes(text: str) -> str:
    return "'" + text.replace("'", r"'\''")


def in_double_quotes(text: str) -> str:
    return '"' + re.sub(r'([\\$`"])', r"\\\1", text)


def end(line: str) -> str:
    """Give what bash replaces of a word without open quotes: what follows the last break that is one."""
    return re.split(rf"(?<!\\)(?:\\\\)*(?:(?=@)|[{re.escape(BREAKS.replace('@', ''))}])", line)[-1]


def read_by_bash(line: str) -> list[str]:
    done = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True, text=True
    )
    return done.stdout.split("\0")[:-1]


@pytest.mark.parametrize("typing", [plainly, with_breaks])
@settings(max_examples=30, deadline=None)
@given(name=NAMES, data=st.data())
def test_what_is_typed_without_quotes_becomes_the_word(
    typing: Callable[[str], str], name: str, data: st.DataObject
) -> None:
    typed = typing(name[: data.draw(st.integers(0, len(name)))])
    read = Typed.parse(f"list --context {typed}", BREAKS)
    assert read.words[:-1] == ("list", "--context")
    line = typed.removesuffix(end(typed)) + read.written(name)
    assert read_by_bash(line) == [name]
    assert Typed.parse(line, BREAKS).words == (name,)


@pytest.mark.parametrize("typing", [in_single_quotes, in_double_quotes])
@settings(max_examples=30, deadline=None)
@given(name=NAMES, data=st.data())
def test_what_is_typed_in_quotes_becomes_the_word(
    typing: Callable[[str], str], name: str, data: st.DataObject
) -> None:
    begun = name[: data.draw(st.integers(0, len(name)))]
    read = Typed.parse(f"list --context {typing(begun)}", BREAKS)
    assert read.words == ("list", "--context", begun)
    quote = typing("")
    # What was typed last after a quote that was closed and opened again is what bash replaces.
    kept = typing(begun)[: typing(begun).rindex(quote) + 1] if quote == "'" else quote
    line = kept + read.written(name) + quote
    assert read_by_bash(line) == [name]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", ("",)),
        ("list", ("list",)),
        ("list ", ("list", "")),
        ("list '' ", ("list", "", "")),
        ("list \\", ("list", "")),
        ('list "a\\b" c', ("list", "a\\b", "c")),
        ("list --context=a\\ b", ("list", "--context=a b")),
    ],
)
def test_a_line_is_read_as_bash_reads_it(line: str, words: tuple[str, ...]) -> None:
    assert Typed.parse(line, BREAKS).words == words
