"""Addresses of the web that variables name: what reads them later takes for granted that they can be."""

import re

_URL = re.compile(
    r"https?://(\[[0-9a-f:.]+\]|[^\s/@?#%\\:\[\]]+)(:(?P<port>[0-9]{1,5}))?(?P<path>/[^\s?#]*)?(\?[^\s#]*)?",
    re.IGNORECASE | re.ASCII,
)
_MOST = 65535


def path_of(url: str) -> str | None:
    """Return the path of a URL of HTTP, empty where it has none; None where it cannot be, or names a user."""
    found = _URL.fullmatch(url)
    if found is None or int(found["port"] or 1) not in range(1, _MOST + 1):
        return None
    return found["path"] or ""
