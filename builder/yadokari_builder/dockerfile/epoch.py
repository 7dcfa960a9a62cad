"""SOURCE_DATE_EPOCH: the latest time that anything in an image may have.

https://reproducible-builds.org/specs/source-date-epoch/
"""

from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.predefined import SOURCE_DATE_EPOCH

# Beyond these digits is the year 9999, which no date of an image's config can have.
_MOST_DIGITS = 11


def parse_epoch(text: str) -> int:
    """Read seconds since 1970; raises LanguageError."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise LanguageError(f"invalid {SOURCE_DATE_EPOCH}: {text}: it is seconds since 1970", text)
    return int(text)
