r"""What `${name#glob}`, `${name%glob}` and `${name/glob/text}` do.

    glob := { "*" | "?" | "\" ( "*" | "?" | "\" | "}" | "/" ) | character }

There are no brackets (POSIX shell, 2.13, as far as BuildKit has it). `*` and `?` match no line end, as in
Go's regular expressions. So of what stands between two `*`, the first place where it fits will do for all
that follows: no other one is tried, and time grows with the value alone.
"""

import re

from yadokari_builder.dockerfile.location import LanguageError

LONGEST = 1 << 20
"""How many characters variables may become in one word; real ones have a few hundred."""

_PIECE = re.compile(r"\\.|.", re.DOTALL)


def remove_prefix(value: str, glob: str) -> str:
    """Remove the shortest match of `glob` at the start of `value`; a `#` before it asks for the longest."""
    return _remove_start(value, glob.removeprefix("#"), longest=glob.startswith("#"))


def remove_suffix(value: str, glob: str) -> str:
    """Remove the shortest match of `glob` at the end of `value`; a `%` before it asks for the longest."""
    # A search goes from left to right: the shortest match at the end is found backwards.
    backwards = "".join(reversed(_PIECE.findall(glob.removeprefix("%"))))
    return _remove_start(value[::-1], backwards, longest=glob.startswith("%"))[::-1]


def replace_first(value: str, glob: str, replacement: str) -> str:
    """Replace the first match of `glob` in `value`, the longest there."""
    match = _Search(glob).find(value, 0)
    return value[: match.start()] + replacement + value[match.end() :] if match else value


def replace_all(value: str, glob: str, replacement: str) -> str:
    """Replace every match of `glob` in `value`, the longest at its place."""
    search = _Search(glob)
    pieces = []
    position = end = length = 0
    while position <= len(value) and (match := search.find(value, position)):
        pieces.append(value[end : match.start()])
        if match.end() > end or not match.start():  # an empty match right behind another is none
            pieces.append(replacement)
            if (length := length + len(replacement)) > LONGEST:
                raise too_long()
        end = match.end()
        position = max(position + 1, end)
    return "".join(pieces) + value[end:]


def too_long() -> LanguageError:
    """Return the error for a word that grows beyond the limit."""
    return LanguageError(f"variables become more than {LONGEST} characters")


def between_stars(glob: str) -> list[str]:
    """Return the regular expressions of what is before, between and after the stars; raises LanguageError."""
    parts = [""]
    for piece in _PIECE.findall(glob.removeprefix("\ufeff")):
        if piece == "*":
            parts.append("")
        else:
            parts[-1] += _regex_of(piece)
    return parts


def _regex_of(piece: str) -> str:
    if piece == "?":
        return "."
    if piece in ("\\*", "\\?", "\\\\"):
        return piece
    # } and / are escaped for the sake of ${}, the escape is not the glob's.
    if piece.startswith("\\") and piece not in ("\\}", "\\/"):
        raise LanguageError(f"invalid escape '{piece}'")
    character = piece[-1]
    return f"\\{character}" if character in "[]{}.+()|^$" else character


def _remove_start(value: str, glob: str, *, longest: bool) -> str:
    match = _compile(_read(glob), longest=longest).match(value)
    return value[match.end() :] if match else value


class _Search:
    """Looks for the leftmost match of a glob, the longest there."""

    def __init__(self, glob: str) -> None:
        parts = _read(glob)
        self._head = re.compile(parts[0])
        self._whole = _compile(parts, longest=True)

    def find(self, value: str, position: int) -> re.Match[str] | None:
        while head := self._head.search(value, position):
            if match := self._whole.match(value, head.start()):
                return match
            # What follows the head is not on this line: only a head that goes beyond it has other chances.
            line_end = value.find("\n", head.end())
            if line_end < 0:
                break
            position = max(head.start(), line_end - (head.end() - head.start())) + 1
        return None


def _read(glob: str) -> list[str]:
    try:
        return between_stars(glob)
    except LanguageError as error:
        raise LanguageError(f"invalid pattern ({glob}) in substitution: {error.message}") from None


def _compile(parts: list[str], *, longest: bool) -> re.Pattern[str]:
    first, *others = parts
    if others:
        *middle, last = others
        star = ".*" if longest else ".*?"
        first += "".join(f"(?>.*?{part})" for part in middle if part) + star + last
    return re.compile(first)
