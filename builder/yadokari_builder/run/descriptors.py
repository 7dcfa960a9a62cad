"""What a new process has open of the one that it is a copy of."""

import os
from collections.abc import Iterable

_FIRST_OF_OTHERS = 3


def close_all_but(kept: Iterable[int]) -> None:
    """Close all descriptors but the first three, by which processes are talked to, and those in `kept`."""
    first = _FIRST_OF_OTHERS
    for descriptor in sorted(kept):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))
