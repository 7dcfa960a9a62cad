"""Suggestions: the known word that a mistyped one is close to."""

from collections.abc import Iterable

from yadokari_builder.dockerfile.location import LanguageError

_FARTHEST = 2


def suggest(word: str, known: Iterable[str], *, ignore_case: bool = False) -> str:
    """Return the closest of `known`, at most two edits away; empty if none is or `word` itself is known."""
    wanted = word.lower() if ignore_case else word
    closest, distance = "", _FARTHEST + 1
    for option in known:
        candidate = option.lower() if ignore_case else option
        if candidate == wanted:
            return ""
        if (edits := _edit_distance(wanted, candidate)) < distance:
            closest, distance = option, edits
    return _in_case_of(closest, word) if ignore_case else closest


def with_suggestion(
    message: str, word: str, known: Iterable[str], *, ignore_case: bool = False
) -> LanguageError:
    """Return a LanguageError about `word` that names the known word that may have been meant."""
    meant = suggest(word, known, ignore_case=ignore_case)
    return LanguageError(f"{message} (did you mean {meant}?)" if meant else message, word)


def _in_case_of(word: str, pattern: str) -> str:
    if pattern == pattern.lower():
        return word.lower()
    return word.upper() if pattern == pattern.upper() else word.lower()


def _edit_distance(first: str, second: str) -> int:
    """Count the insertions, deletions and replacements between two words (Levenshtein)."""
    if abs(len(first) - len(second)) > _FARTHEST:
        return _FARTHEST + 1
    above = list(range(len(second) + 1))
    for row, left in enumerate(first, 1):
        current = [row]
        for column, right in enumerate(second, 1):
            current.append(min(above[column] + 1, current[-1] + 1, above[column - 1] + (left != right)))
        above = current
    return above[-1]
