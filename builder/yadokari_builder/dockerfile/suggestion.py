"""Errors that name the known word which may have been meant."""

from collections.abc import Iterable

from yadokari_builder.dockerfile.location import LanguageError
from yadokari_contract.suggestion import suggest


def with_suggestion(
    message: str, word: str, known: Iterable[str], *, ignore_case: bool = False
) -> LanguageError:
    """Return a LanguageError about `word` that names the known word that may have been meant."""
    meant = suggest(word, known, ignore_case=ignore_case)
    return LanguageError(f"{message} (did you mean {meant}?)" if meant else message, word)
