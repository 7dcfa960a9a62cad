r"""Globs as Go's `path/filepath.Match` has them, in COPY's and ADD's sources.

    pattern := { "*" | "?" | "[" [ "^" ] range { range } "]" | "\" character | character }
    range   := character [ "-" character ]

`*` and `?` match no slash; within brackets `]`, `-` and `\` want a backslash. The whole name must match.
"""

import re
from collections.abc import Iterator

from yadokari_builder.dockerfile.location import LanguageError


def compile_glob(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern, to be used with `fullmatch`; raises LanguageError.

    It takes time in proportion to the name at most: what stands between two `*` is matched where it comes
    first, and never looked for again, as Go does it.
    """
    first, *others = _between_stars(pattern)
    if others:
        *middle, last = others
        first += "".join(map(_after_star, middle)) + f"[^/]*{last}"
    return re.compile(first, re.DOTALL)


def refuse_malformed(pattern: str) -> None:
    """Raise LanguageError where Go's `Match(pattern, ".")` does: it reads on as long as `.` matches."""
    start = ""
    for index, part in enumerate(_between_stars(pattern)):
        start += _after_star(part) if index else part
        if not re.match(start, ".", re.DOTALL):
            return


def matches(pattern: str, name: str) -> bool:
    """Tell whether `name` as a whole matches `pattern`; raises LanguageError for a malformed pattern."""
    return compile_glob(pattern).fullmatch(name) is not None


def has_wildcards(pattern: str) -> bool:
    """Tell whether a pattern has wildcards that are not escaped."""
    return bool(re.search(r"[*?\[]", re.sub(r"\\.", "", pattern, flags=re.DOTALL)))


def split_wildcards(path: str) -> tuple[str, str]:
    """Split a normalised path before the first name with wildcards; the second part is empty without one."""
    names = path.strip("/").split("/")
    for index, name in enumerate(names):
        if has_wildcards(name):
            return "/" + "/".join(names[:index]), "/".join(names[index:])
    return path, ""


def _between_stars(pattern: str) -> Iterator[str]:
    """Yield the regular expressions of what is before, between and after the stars."""
    part = ""
    position = 0
    while position < len(pattern):
        if pattern[position] == "*":
            yield part
            part = ""
            position += 1
        else:
            piece, position = _parse_piece(pattern, position)
            part += piece
    yield part


def _after_star(part: str) -> str:
    return f"(?>[^/]*?{part})" if part else ""


def _parse_piece(pattern: str, position: int) -> tuple[str, int]:
    """Return the regular expression of what matches one character, and where the next one starts."""
    match pattern[position]:
        case "?":
            return "[^/]", position + 1
        case "[":
            return _brackets(pattern, position + 1)
        case "\\":
            position += 1
            if position == len(pattern):
                raise _malformed(pattern)
    return re.escape(pattern[position]), position + 1


def _brackets(pattern: str, position: int) -> tuple[str, int]:
    """Return the set of characters whose bracket is behind, and where it ends."""
    negated = pattern.startswith("^", position)
    position += negated
    ranges: list[str] = []
    while not (ranges and pattern.startswith("]", position)):
        low, position = _set_character(pattern, position)
        high = low
        if pattern.startswith("-", position):
            high, position = _set_character(pattern, position + 1)
        # A range that runs backwards is allowed and empty.
        ranges.append(f"{re.escape(low)}-{re.escape(high)}" if low <= high else "")
    members = "".join(ranges)
    if not members:
        return ("." if negated else "(?!)"), position + 1
    return f"[{'^' if negated else ''}{members}]", position + 1


def _set_character(pattern: str, position: int) -> tuple[str, int]:
    escaped = pattern.startswith("\\", position)
    position += escaped
    character = pattern[position : position + 1]
    if not character or (character in "-]" and not escaped):
        raise _malformed(pattern)
    return character, position + 1


def _malformed(pattern: str) -> LanguageError:
    return LanguageError(f"syntax error in pattern: {pattern}", pattern)
