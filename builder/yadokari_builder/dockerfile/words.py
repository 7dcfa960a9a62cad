"""Words: quotes, escapes and variables, as BuildKit's shell lexer reads them.

word      := { character | escape character | quoted | variable }
quoted    := "'" { any } "'" | '"' { any | variable | escape ( '"' | "$" | escape ) } '"'
variable  := "$" name | "${" name "}" | "${" name modifier word "}" | "${" name "/" [ "/" ] glob "/" word "}"
modifier  := "-" | ":-" | "+" | ":+" | "?" | ":?" | "#" | "##" | "%" | "%%"
name      := letter-or-underscore { letter | digit | "_" } | digit { digit } | one of @ * # ? - $ ! 0
"""

from collections.abc import Mapping
from dataclasses import dataclass

from yadokari_builder.dockerfile.expander import Expander, Quotes
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.quoting import quote


@dataclass(frozen=True, slots=True)
class Expansion:
    """What a text became.

    `text` is the whole, `words` its parts between unquoted white space, that of
    variables too; `matched` and `unmatched` are the
    names of variables that the environment had and had not.
    """

    text: str
    words: tuple[str, ...]
    matched: frozenset[str]
    unmatched: frozenset[str]


def expand_word(word: str, env: Mapping[str, str], escape: str = "\\") -> str:
    """Return `word` without its quotes and escapes, variables replaced; raises LanguageError."""
    return process(word, env, escape).text


def process(
    text: str,
    env: Mapping[str, str],
    escape: str = "\\",
    *,
    quotes: Quotes = Quotes.REMOVE,
    keep_escapes: bool = False,
    keep_unset: bool = False,
) -> Expansion:
    """Expand `text`; `keep_unset` leaves variables alone that `env` does not have. Raises LanguageError."""
    expander = Expander(text, env, escape, quotes, keep_unset)
    try:
        result, words = expander.read(None, keep_escapes)
    except (LanguageError, RecursionError) as error:
        reason = "substitutions are nested too deep" if isinstance(error, RecursionError) else error.message
        raise LanguageError(f"failed to process {quote(text)}: {reason}", text) from None
    return Expansion(result, tuple(words), frozenset(expander.matched), frozenset(expander.unmatched))
