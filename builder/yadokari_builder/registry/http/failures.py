"""What a registry's refusal means, in words that name the registry, the repository and its own message."""

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Self

from yadokari_builder.errors import ImageNotFoundError, RegistryError, UnauthorizedError
from yadokari_builder.registry.http.retry import ThrottledError

MAX_MESSAGE = 500
_MAX_CODES = 16
_CODE = re.compile("[A-Z][A-Z0-9_]{1,63}")

_TOO_MANY = 429
_TOO_MANY_CODE = "TOOMANYREQUESTS"
_TEMPORARY = frozenset({408, 425, _TOO_MANY, 500, 502, 503, 504})
# An upload that the registry has forgotten or lost the thread of can be begun again. A blob that is there may
# not be known for a moment: the reference implementation writes anew that it is, while another client pushes
# the same one, and reads that half written.
_TEMPORARY_CODES = frozenset(
    {_TOO_MANY_CODE, "BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID", "MANIFEST_BLOB_UNKNOWN"}
)
_UNAUTHORIZED_CODES = frozenset({"UNAUTHORIZED", "DENIED"})
_NOT_FOUND_CODES = frozenset({"MANIFEST_UNKNOWN", "NAME_UNKNOWN", "BLOB_UNKNOWN"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a registry says in the body of a refusal (distribution-spec, "Error Codes").

    `codes` are those that look like codes; `message` is in one printable, bounded line, "" if there is none.
    """

    message: str = ""
    codes: tuple[str, ...] = ()

    @classmethod
    def parse(cls, body: bytes, secrets: Iterable[str] = ()) -> Self:
        """Read a body: JSON as it is specified, or plain words; secrets that it repeats are taken out."""
        try:
            errors = json.loads(body)["errors"]
            codes = [str(error["code"]) for error in errors]
            texts = [f"{error['code']}: {error.get('message', '')}".rstrip(": ") for error in errors]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            text = body.decode("utf-8", "replace").strip()
            codes, texts = [], [] if text[:1] in ("<", "{", "[") else [text]
        # Before anything is cut off, which could leave half of a secret.
        message = printable(_redacted("; ".join(texts), secrets), MAX_MESSAGE)
        return cls(message, tuple(filter(_CODE.fullmatch, codes))[:_MAX_CODES])


def failure(
    what: str,
    status: int,
    headers: Mapping[str, str],
    refusal: Refusal,
    hint: str = "",
    missing: str = "",
) -> RegistryError:
    """Return the error for an answer that was not hoped for.

    `what` says what was tried and where, `hint` what to do about missing rights, `missing` what to do about a
    thing that is not there. The registry's codes count before the status, but for failures of the server
    (5xx).
    """
    text = f"{what}: {describe_status(status)}"
    text += f": {refusal.message}" if refusal.message else ""
    codes = refusal.codes
    temporary = status in _TEMPORARY or not _TEMPORARY_CODES.isdisjoint(codes)
    if temporary:
        wait = _retry_after(headers)
        if status == _TOO_MANY or _TOO_MANY_CODE in codes:
            when = "later" if wait is None else f"in {wait:.0f} s"
            text += f" (come back {when}, give credentials that may ask more often, or name a mirror)"
        if wait is not None:
            return ThrottledError(text, status=status, codes=codes, retry_after=wait)
    elif status in (401, 403) or not _UNAUTHORIZED_CODES.isdisjoint(codes):
        return UnauthorizedError(f"{text} ({hint})" if hint else text, status=status, codes=codes)
    elif status == 404 or not _NOT_FOUND_CODES.isdisjoint(codes):
        return ImageNotFoundError(f"{text} ({missing})" if missing else text, status=status, codes=codes)
    return RegistryError(text, status=status, codes=codes, temporary=temporary)


def describe_status(status: int) -> str:
    """Return a status with its name: `404 Not Found`."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def printable(text: str, limit: int) -> str:
    """Return a text of unknown origin, bounded, in one line and without characters that steer a terminal."""
    kept = "".join(character if character.isprintable() else " " for character in text[: limit + 1])
    return kept if len(kept) <= limit else kept[:limit] + "…"


def _redacted(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***") if len(secret) > 3 else text
    return text


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
