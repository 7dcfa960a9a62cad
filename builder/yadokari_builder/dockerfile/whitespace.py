"""What counts as white space: Unicode's White_Space property, as Go's `unicode.IsSpace` has it.

Python's `str.isspace` and `str.strip` also take the separators U+001C to U+001F.
"""

import re

SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""All white space; `text.strip(SPACE)` trims it."""

_GAP = re.compile(r"[\t\v\f\r ]+")


def split_gaps(text: str, limit: int = 0) -> list[str]:
    """Split `text` where its arguments are apart, at most `limit` times (0: everywhere)."""
    return _GAP.split(text, limit)
