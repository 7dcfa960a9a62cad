"""Suggestions: the known word that a mistyped one is close to."""

from collections.abc import Iterable
from itertools import islice

_FARTHEST = 2
_MOST = 200
"""How many known words are looked at: real lists are shorter, and who has 3,000 typing errors waits less."""


def suggest(word: str, known: Iterable[str], *, ignore_case: bool = False) -> str:
    """Return the closest of `known`, at most two edits away; empty if none is or `word` itself is known.

    An edit inserts, deletes or replaces a character (Levenshtein); of words equally close the first counts,
    as in BuildKit.
    """
    wanted = word.lower() if ignore_case else word
    options = list(islice(known, _MOST))
    candidates = [option.lower() for option in options] if ignore_case else options
    if wanted in candidates:
        return ""
    closest, distance = "", _FARTHEST + 1
    for option, candidate in zip(options, candidates, strict=True):
        if (edits := _count_edits(wanted, candidate, distance - 1)) < distance:
            closest, distance = option, edits
    return _in_case_of(closest, word) if ignore_case else closest


def _in_case_of(word: str, pattern: str) -> str:
    if pattern == pattern.lower():
        return word.lower()
    return word.upper() if pattern == pattern.upper() else word.lower()


def _count_edits(first: str, second: str, most: int) -> int:
    """Count the edits between two words; any number above `most` stands for all that are more."""
    if abs(len(first) - len(second)) > most:
        return most + 1
    start = 0
    for left, right in zip(first, second, strict=False):
        if left != right:
            break
        start += 1
    first, second = first[start:], second[start:]
    if not (first and second and most):
        return max(len(first), len(second))
    rest = min(
        _count_edits(first[1:], second[1:], most - 1),
        _count_edits(first[1:], second, most - 1),
        _count_edits(first, second[1:], most - 1),
    )
    return 1 + rest
