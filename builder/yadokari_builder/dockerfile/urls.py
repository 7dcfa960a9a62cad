"""URLs as sources of ADD: what is one, and how it may be shown."""

import re
from urllib.parse import urlsplit, urlunsplit


def is_url(source: str) -> bool:
    """Tell whether a source is fetched from the web."""
    return source.startswith(("http://", "https://"))


def without_credentials(url: str) -> str:
    """Return a URL as it may be shown: without user, password and query, which may hold a token."""
    try:
        parts = urlsplit(url)
    except ValueError:
        scheme, _, rest = re.split("[?#]", url)[0].partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
