"""What `${name#glob}`, `${name%glob}` and `${name/glob/text}` do.

A glob here has `*` and `?` and escapes, no brackets (POSIX shell, 2.13, as far as BuildKit has it).
"""

import re

from yadokari_builder.dockerfile.location import LanguageError

_PIECE = re.compile(r"\\.|.", re.DOTALL)


def remove_prefix(value: str, glob: str) -> str:
    """Remove the shortest match of `glob` at the start of `value`; a `#` before it asks for the longest."""
    return _remove_start(value, glob.removeprefix("#"), longest=glob.startswith("#"))


def remove_suffix(value: str, glob: str) -> str:
    """Remove the shortest match of `glob` at the end of `value`; a `%` before it asks for the longest."""
    # A search goes from left to right: the shortest match at the end is found backwards.
    backwards = _reverse_glob(glob.removeprefix("%"))
    return _remove_start(value[::-1], backwards, longest=glob.startswith("%"))[::-1]


def replace_glob(value: str, glob: str, replacement: str, *, everywhere: bool) -> str:
    """Replace the first, or every, longest match of `glob` in `value`."""
    pattern = _compile(glob, longest=True)
    pieces = []
    end = last_match = -1
    for match in pattern.finditer(value):
        if match.start() == match.end() == last_match:
            continue  # an empty match right behind another is none
        pieces += [value[max(end, 0) : match.start()], replacement]
        end = last_match = match.end()
        if not everywhere:
            break
    return "".join(pieces) + value[max(end, 0) :]


def glob_regex(glob: str, *, longest: bool) -> str:
    """Return the regular expression for a glob; raises LanguageError for an escape that escapes nothing."""
    return "".join(_regex_of(piece, longest) for piece in _PIECE.findall(glob))


def _regex_of(piece: str, longest: bool) -> str:
    if piece == "*":
        return ".*" if longest else ".*?"
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
    match = _compile(glob, longest=longest).match(value)
    return value[match.end() :] if match else value


def _compile(glob: str, *, longest: bool) -> re.Pattern[str]:
    try:
        return re.compile(glob_regex(glob, longest=longest))
    except LanguageError as error:
        raise LanguageError(f"invalid pattern ({glob}) in substitution: {error.message}") from None


def _reverse_glob(glob: str) -> str:
    return "".join(reversed(_PIECE.findall(glob)))
