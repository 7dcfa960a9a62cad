"""A command line as it stands in bash while it is typed, and what may be put at its end.

bash gives the words of it to no completion: those that it has are split at `=`, `:` and `@` and hold their
quotes, and what is answered it puts there as it is.
"""

import re
from dataclasses import dataclass

_PLAIN = re.compile(r"([^\w@%+=:,./-])")
_REPLACED = "$@"
"""Breaks that are replaced with what comes after them (readline's `rl_special_prefixes`, as bash sets it)."""

_IN_DOUBLE_QUOTES = re.compile(r'([\\"$`])')


@dataclass(frozen=True, slots=True)
class Typed:
    """The words so far, the last of which may be empty; `quote` is the one that is open at the end, if any.

    Of the last word `kept` is what stays as it is typed: bash replaces what comes after that.
    """

    words: tuple[str, ...]
    kept: str = ""
    quote: str = ""

    @classmethod
    def parse(cls, line: str, breaks: str) -> "Typed":
        """Read a line up to the cursor; `breaks` are the characters at which bash begins to replace."""
        words, word, begun, kept, quote = [], "", False, "", ""
        characters = iter(line)
        for it in characters:
            if quote == "'" or (quote and it not in ('"', "\\")):
                word, quote = (word, "") if it == quote else (word + it, quote)
            elif it == "\\":
                following = next(characters, "")
                word += it + following if quote and not _IN_DOUBLE_QUOTES.match(following) else following
                begun = True
            elif it in "'\"":
                quote = "" if quote else it
                begun, kept = True, word
            elif it in " \t\n":
                words += [word] if begun else []
                word, begun, kept = "", False, ""
            else:
                before, word, begun = word, word + it, True
                if it in breaks:
                    kept = before if it in _REPLACED else word
        return cls((*words, word), kept, quote)

    def written(self, word: str) -> str:
        """Write what bash puts at the end, so that a word which begins like the last one stands there."""
        rest = word.removeprefix(self.kept)
        if self.quote == "'":
            return rest.replace("'", r"'\''")
        return (_IN_DOUBLE_QUOTES if self.quote else _PLAIN).sub(r"\\\1", rest)
