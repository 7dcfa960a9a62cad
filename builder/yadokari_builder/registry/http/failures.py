"""What a registry's refusal means, in words that name the registry, the repository and its own message."""

import json
import time
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from yadokari_builder.errors import BuilderError, ImageNotFoundError, RegistryError, UnauthorizedError
from yadokari_builder.registry.http.retry import ThrottledError

MAX_MESSAGE = 500
_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})


def failure(what: str, status: int, headers: Mapping[str, str], message: str, hint: str = "") -> BuilderError:
    """Return the error for an answer that was not hoped for.

    `what` says what was tried and where, `message` is the registry's own, `hint` says what to do.
    """
    text = f"{what}: {describe_status(status)}"
    text += f": {message}" if message else ""
    text += f" ({hint})" if hint else ""
    if status in (401, 403):
        return UnauthorizedError(text, status=status)
    if status == 404:
        return ImageNotFoundError(text)
    wait = _retry_after(headers)
    if status in _TEMPORARY and wait is not None:
        return ThrottledError(text, status=status, retry_after=wait)
    return RegistryError(text, status=status, temporary=status in _TEMPORARY)


def describe_status(status: int) -> str:
    """Return a status with its name: `404 Not Found`."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def registry_message(body: bytes) -> str:
    """Return the message in a registry's answer (distribution-spec, "Error Codes"); "" if there is none."""
    try:
        errors = json.loads(body)["errors"]
        texts = [f"{error['code']}: {error.get('message', '')}".rstrip(": ") for error in errors]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        text = body.decode("utf-8", "replace").strip()
        texts = [] if text[:1] in ("<", "{", "[") else [text]
    return printable("; ".join(texts), MAX_MESSAGE)


def printable(text: str, limit: int) -> str:
    """Return a text of unknown origin, bounded, in one line and without characters that steer a terminal."""
    kept = "".join(character if character.isprintable() else " " for character in text[: limit + 1])
    return kept if len(kept) <= limit else kept[:limit] + "…"


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return `text` without the secrets, should a registry repeat them in its message."""
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
