"""Files that ADD fetches from the web."""

import hashlib
import logging
import os
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import urllib3

from yadokari_builder.dockerfile.checksum import Checksum
from yadokari_builder.dockerfile.urls import without_credentials
from yadokari_builder.errors import ContextError, DownloadError
from yadokari_builder.layers.allowance import Allowance, TooLargeError
from yadokari_builder.registry.http.addresses import leads_to_node
from yadokari_builder.registry.http.transport import TransportError, authority, describe_failure

logger = logging.getLogger(__name__)

_CHUNK = 1 << 20
_NAMELESS = "__unnamed__"
_TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_MAX_REDIRECTS = 10
_TIMEOUT = urllib3.Timeout(connect=30, read=120)


def host_of(url: str) -> str:
    """Return the host that a URL names; "" if it is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def file_name(url: str) -> str:
    """Return the name that a download gets: the last one in its URL's path."""
    return posixpath.basename(unquote(urlsplit(url).path).rstrip("/")) or _NAMELESS


def warn_of_exposure(url: str) -> None:
    """Warn where a URL's credentials can be read on their way."""
    parts = urlsplit(url)
    if parts.scheme == "http" and "@" in parts.netloc:
        shown = without_credentials(url)
        logger.warning("%s gets credentials over plain HTTP: anybody on the way can read them", shown)


def download(
    url: str, folder: Path, http: urllib3.PoolManager, checksum: Checksum | None, allowance: Allowance
) -> Path:
    """Fetch a file into a folder, with the time that the server says it was changed, else the epoch's.

    How often to try again is the pool's to say. urllib3's loggers show paths and queries, which may hold
    tokens: whoever sets up logging keeps them still. Raises ContextError where the server refuses, the
    checksum differs or the file is more than the `allowance`, DownloadError where trying again may help.
    """
    path = folder / file_name(url)
    digest = hashlib.new(checksum.algorithm if checksum else "sha256")
    with fetched(url, http) as body, open(path, "wb", opener=_private) as file:
        while chunk := body.read(_CHUNK):
            _take(allowance, len(chunk), url)
            digest.update(chunk)
            file.write(chunk)
    check(url, Checksum(digest.name, digest.hexdigest()), checksum)
    os.utime(path, (body.modified, body.modified))
    return path


def _take(allowance: Allowance, size: int, url: str) -> None:
    try:
        allowance.take(size)
    except TooLargeError as error:
        raise ContextError(f"{without_credentials(url)}: {error.message}") from None


def check(url: str, found: Checksum, expected: Checksum | None) -> None:
    """Raise ContextError where what a URL led to is not what was expected."""
    if expected and found != expected:
        raise ContextError(f"digest mismatch for {without_credentials(url)}: {found} (expected: {expected})")


@dataclass(frozen=True, slots=True)
class Body:
    """What a server sends; as Go's client does, it takes off the compression that it has asked for itself."""

    response: urllib3.BaseHTTPResponse

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""
        # A file that is itself compressed is left alone.
        decode = self.response.headers.get("Content-Encoding", "").lower() == "gzip"
        # Not urllib3's `stream`, which reads lines without end between chunks.
        return self.response.read(size, decode_content=decode)

    @property
    def modified(self) -> float:
        """When the server says it was changed, in seconds since the epoch; 0 if it does not say."""
        return _modified(self.response.headers.get("Last-Modified", ""))


@contextmanager
def fetched(url: str, http: urllib3.PoolManager) -> Iterator[Body]:
    """Open what a URL leads to; see `download` for errors, also of reading it."""
    shown = without_credentials(url)
    warn_of_exposure(url)
    bare, headers = _authorized(url)
    headers["Accept-Encoding"] = "gzip"
    try:
        response = _request(bare, headers, shown, http)
        try:
            if response.status in _TRY_AGAIN:
                raise DownloadError(f"{shown}: invalid response status {response.status}")
            if not 200 <= response.status < 300:
                raise ContextError(f"{shown}: invalid response status {response.status}")
            yield Body(response)
        finally:
            response.close()
    except urllib3.exceptions.HTTPError as error:
        # The texts of errors that have a reason quote the URL, those of the reasons do not.
        cause = getattr(error, "reason", None) or error
        raise DownloadError(f"{shown} cannot be fetched: {describe_failure(cause)}") from None


def _request(
    url: str, headers: dict[str, str], shown: str, http: urllib3.PoolManager
) -> urllib3.BaseHTTPResponse:
    """Follow redirects as Go does; whatever body they have is left unread, and credentials stay behind."""
    try:
        for _ in range(_MAX_REDIRECTS + 1):
            response = http.request(
                "GET", url, headers=headers, redirect=False, preload_content=False, timeout=_TIMEOUT
            )
            location = response.get_redirect_location()
            if not location:
                return response
            response.close()
            target = urljoin(url, location)
            if authority(target) != authority(url):
                headers.pop("authorization", None)
            if leads_to_node(host_of(target), host_of(url)):
                raise ContextError(f"{shown} redirects to an address that is of the node alone")
            url = target
    except (ValueError, TransportError) as error:
        # These, urllib3's LocationValueError among them, quote the URL.
        raise ContextError(f"{shown}: this is no URL that can be fetched, or leads to none") from error
    raise ContextError(f"{shown} redirects more than {_MAX_REDIRECTS} times")


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
