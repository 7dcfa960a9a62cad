"""Times as an image's config holds them: RFC 3339 text with up to nanoseconds, as Go's RFC3339Nano."""

import re
from datetime import UTC, datetime, timedelta

from yadokari_builder.errors import ImageInvalidError

_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


def canonical_time(text: str) -> str:
    """Return RFC 3339 text as Go writes it; raises `ImageInvalidError` for what is no time."""
    parse_time(text)
    seconds, fraction, zone = _split(text)
    fraction = fraction.rstrip("0")
    zone = "Z" if zone in ("+00:00", "-00:00") else zone
    return seconds + (f".{fraction}" if fraction else "") + zone


def parse_time(text: str) -> int:
    """Read RFC 3339 text as nanoseconds since 1970; raises `ImageInvalidError`."""
    seconds, fraction, zone = _split(text)
    try:
        moment = datetime.fromisoformat(seconds + zone)
    except ValueError as error:
        raise ImageInvalidError(f"time {text[:80]!r}: {error}") from None
    return (moment - _EPOCH) // _SECOND * 10**9 + int(fraction.ljust(9, "0"))


def format_time(nanoseconds: int) -> str:
    """Write nanoseconds since 1970 as RFC 3339 text in UTC."""
    seconds, fraction = divmod(nanoseconds, 10**9)
    moment = _EPOCH + seconds * _SECOND
    text = f"{moment.year:04}-{moment:%m-%dT%H:%M:%S}"
    return text + (f".{fraction:09}".rstrip("0") if fraction else "") + "Z"


def _split(text: str) -> tuple[str, str, str]:
    match = _RFC3339.fullmatch(text)
    if not match:
        raise ImageInvalidError(f"time {text[:80]!r}: RFC 3339 is wanted, as in 2024-05-01T12:00:00Z")
    return match[1], (match[2] or "")[:9], match[3]
