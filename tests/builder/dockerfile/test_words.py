import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_builder.dockerfile.expander import Quotes
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.words import expand_word, process

ENV = {"x": "value", "empty": "", "path": "/a/b.tar.gz", "spaced": " one  two "}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("$x-${x}", "value-value"),
        ("$unset|", "|"),
        ("${empty:-d} ${empty-d} ${unset-d}", "d  d"),
        ("${x:+y} ${empty:+y} ${empty+y} ${unset+y}", "y  y "),
        ("${unset:-${empty:-$x}}", "value"),
        ("${path#*/}", "a/b.tar.gz"),
        ("${path##*/}", "b.tar.gz"),
        ("${path%.*}", "/a/b.tar"),
        ("${path%%.*}", "/a/b"),
        ("${path/a/c}", "/c/b.tar.gz"),
        ("${path//a/c}", "/c/b.tcr.gz"),
        ("${path//\\//-}", "-a-b.tar.gz"),
        ("${path//*/all}", "all"),
        ("'$x' \"$x\" \\$x", "$x value $x"),
        ('"a\\b" "\\$x" "\\""', 'a\\b $x "'),
        ("$1 $ $$x", " $ x"),
    ],
)
def test_words_are_expanded_as_a_shell_would(word: str, expected: str) -> None:
    assert expand_word(word, ENV) == expected


def test_the_other_escape_character_escapes_instead_of_the_backslash() -> None:
    assert expand_word("`$x \\$x", ENV, "`") == "$x \\value"


def test_an_unquoted_variable_is_split_into_words_and_a_quoted_one_is_not() -> None:
    assert process('a$spaced"$spaced"', ENV).words == ("a", "one", "two", " one  two ")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("${unset:?is needed}", "unset: is needed"),
        ("${unset?}", "unset: is not allowed to be unset"),
        ("${empty:?}", "empty: is not allowed to be empty"),
        ("${x", "syntax error: missing '}'"),
        ("${x:-'a}", "syntax error: missing '}'"),
        ("${}", "syntax error: bad substitution"),
        ("${x:=y}", "unsupported modifier (:=) in substitution"),
        ("${x:#y}", "unsupported modifier (:#) in substitution"),
        ("${x/y}", "syntax error: missing '/' in ${}"),
        ("${x#\\y}", "invalid pattern (\\y) in substitution: invalid escape '\\y'"),
        ("'open", "looking for matching single-quote"),
        ('"open', "looking for matching double-quote"),
    ],
)
def test_what_cannot_be_expanded_is_refused_with_the_reason(word: str, message: str) -> None:
    with pytest.raises(LanguageError) as refused:
        expand_word(word, ENV)
    assert refused.value.message.startswith("failed to process ")
    assert message in refused.value.message


def test_names_are_told_apart_by_whether_the_environment_has_them() -> None:
    expansion = process("$x ${unset:-$empty}", ENV)
    assert (set(expansion.matched), set(expansion.unmatched)) == ({"x", "empty"}, {"unset"})


def test_unset_variables_stay_if_asked_for() -> None:
    text = "$unset ${unset} ${unset:-$x} ${unset/a/b}"
    assert process(text, ENV, keep_unset=True).text == "$unset ${unset} ${unset:-value} ${unset/a/b}"


def test_quotes_stay_if_asked_for() -> None:
    assert process("'a' \"$x\"", ENV, quotes=Quotes.KEEP).text == "'a' \"value\""
    assert process("it's $x", ENV, quotes=Quotes.PLAIN).text == "it's value"


def test_nesting_too_deep_is_refused_and_does_not_crash() -> None:
    with pytest.raises(LanguageError, match="nested too deep"):
        expand_word("${a:-" * 5000 + "}" * 5000, {})


def test_a_word_that_grows_without_end_is_refused() -> None:
    value = "a" * 1_000
    assert len(expand_word("$a" * 1_000, {"a": value})) == 1_000_000
    for word in ("$a" * 1_049, f'"{"$a" * 1_049}"', f"${{b:-{'$a' * 1_049}}}", "${a//a/$a$a}"):
        with pytest.raises(LanguageError, match="variables become more than 1048576 characters"):
            expand_word(word, {"a": value})


def test_a_byte_order_mark_at_the_start_of_a_word_is_no_part_of_it() -> None:
    assert expand_word("\ufeffa\ufeff$x", ENV) == "a\ufeffvalue"
    assert expand_word("${path#\ufeff/a}", ENV) == "/b.tar.gz"


def test_bytes_that_are_no_utf8_become_the_replacement_character() -> None:
    assert expand_word("a\udce9\udcff$x", ENV) == "a\ufffd\ufffdvalue"


def test_a_substitution_leaves_the_beginning_of_its_word_where_it_is() -> None:
    expansion = process("${a:-70}-${b:-71} 80$x 9${b:-0}", ENV)
    assert expansion.words == ("70-71", "80value", "90")


@given(st.text(alphabet="$x{}:-+?#%/\\'\"`<* a\n") | st.text(), st.sampled_from("\\`"))
def test_expansion_never_crashes(text: str, escape: str) -> None:
    try:
        expansion = process(text, ENV, escape)
    except LanguageError:
        return
    assert all(expansion.words)


@given(st.text().map(lambda text: text.replace("'", "")))
def test_single_quotes_keep_every_text(text: str) -> None:
    assert expand_word(f"'{text}'", ENV) == text
