"""Files that ADD fetches from the web."""

import hashlib
import os
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import urllib3

from yadokari_builder.dockerfile.checksum import Checksum
from yadokari_builder.errors import BuilderError, ContextError
from yadokari_contract.reasons import Reason

_CHUNK = 1 << 20
_NAMELESS = "__unnamed__"
_TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_TIMEOUT = urllib3.Timeout(connect=30, read=120)


class DownloadError(BuilderError):
    """A file could not be fetched; trying again may help."""

    reason = Reason.DOWNLOAD_FAILED


def is_url(source: str) -> bool:
    """Tell whether a source is fetched from the web."""
    return source.startswith(("http://", "https://"))


def host_of(url: str) -> str:
    """Return the host that a URL names; "" if it is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def file_name(url: str) -> str:
    """Return the name that a download gets: the last one in its URL's path."""
    return posixpath.basename(unquote(urlsplit(url).path).rstrip("/")) or _NAMELESS


def without_credentials(url: str) -> str:
    """Return a URL as it may be shown: without user, password and query, which may hold a token."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def download(url: str, folder: Path, http: urllib3.PoolManager, checksum: Checksum | None) -> Path:
    """Fetch a file into a folder, with the time that the server says it was changed, else the epoch's.

    How often to try again is the pool's to say. urllib3's loggers show paths and queries, which may hold
    tokens: whoever sets up logging keeps them still. Raises ContextError where the server refuses or the
    checksum differs, DownloadError where trying again may help.
    """
    shown = without_credentials(url)
    path = folder / file_name(url)
    digest = hashlib.new(checksum.algorithm if checksum else "sha256")
    with _response(url, shown, http) as response, open(path, "wb", opener=_private) as file:
        # As Go's client does: a file that is itself compressed is left alone.
        decode = response.headers.get("Content-Encoding", "").lower() == "gzip"
        for chunk in response.stream(_CHUNK, decode_content=decode):
            digest.update(chunk)
            file.write(chunk)
        modified = _modified(response.headers.get("Last-Modified", ""))
    if checksum and digest.hexdigest() != checksum.hex:
        actual = f"{checksum.algorithm}:{digest.hexdigest()}"
        raise ContextError(f"digest mismatch for {shown}: {actual} (expected: {checksum})")
    os.utime(path, (modified, modified))
    return path


@contextmanager
def _response(url: str, shown: str, http: urllib3.PoolManager) -> Iterator[urllib3.BaseHTTPResponse]:
    bare, headers = _authorized(url)
    headers["Accept-Encoding"] = "gzip"
    try:
        response = http.request("GET", bare, headers=headers, preload_content=False, timeout=_TIMEOUT)
        try:
            if response.status in _TRY_AGAIN:
                raise DownloadError(f"{shown}: invalid response status {response.status}")
            if not 200 <= response.status < 300:
                raise ContextError(f"{shown}: invalid response status {response.status}")
            yield response
        finally:
            response.close()
    except urllib3.exceptions.LocationValueError as error:
        raise ContextError(f"{shown}: this is no URL that can be fetched") from error
    except urllib3.exceptions.HTTPError as error:
        # The texts of urllib3's errors quote the URL; the kind of error is enough.
        cause = getattr(error, "reason", None) or error
        raise DownloadError(f"{shown} cannot be fetched: {type(cause).__name__}") from None


def _authorized(url: str) -> tuple[str, dict[str, str]]:
    """Take user and password out of a URL, into a header."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    headers = urllib3.make_headers(basic_auth=unquote(user if ":" in user else f"{user}:"))
    return urlunsplit(parts._replace(netloc=host)), headers


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_EXCL, 0o600)


def _modified(text: str) -> float:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return 0.0
