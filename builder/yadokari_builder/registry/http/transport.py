"""HTTP: connections, TLS and redirects. What registries say is not interpreted here."""

import contextlib
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.client import BadStatusLine
from threading import Lock
from typing import BinaryIO
from urllib.parse import SplitResult, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError, ProxyError, SSLError

from yadokari_builder.errors import RegistryError
from yadokari_builder.registry.http.addresses import leads_to_node
from yadokari_builder.registry.http.connections import Network
from yadokari_builder.registry.http.failures import printable
from yadokari_contract.proxies import PORTS

logger = logging.getLogger(__name__)

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_BLOCK = 256 * 1024
_WANTS_CERTIFICATE = ("certificate required", "alert bad certificate")
_LASTING_TLS_FAILURES = (
    *("certificate verify failed", "wrong version number", "record layer failure"),
    *_WANTS_CERTIFICATE,
)
_REFUSED_TUNNEL = re.compile("Tunnel connection failed: 4(?!08|29)[0-9][0-9]")


class TransportError(RegistryError):
    """There was no answer, or none that can be taken; the text does not yet say what was tried."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response whose body has not been read.

    `redirected` tells that another host than the one asked has answered.
    """

    response: urllib3.BaseHTTPResponse
    redirected: bool

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.response.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names in any case."""
        return self.response.headers

    def read(self, limit: int) -> bytes:
        """Read the body and give the connection back.

        A body of more than `limit` bytes or one that breaks off raises `TransportError`.
        """
        try:
            data = self.response.read(limit + 1)
            # Only the reading of nothing tells whether that was all.
            while len(data) <= limit and (more := self.response.read(limit + 1 - len(data))):
                data += more
        except (HTTPError, OSError) as error:
            raise TransportError(
                f"the answer broke off: {describe_failure(error)}", temporary=True
            ) from error
        if len(data) > limit:
            self.response.close()
            raise TransportError(f"the answer is longer than {limit} bytes", status=self.status)
        self.response.release_conn()
        return data

    def discard(self) -> None:
        """Do without the body."""
        with contextlib.suppress(HTTPError, OSError):
            self.response.read(_BLOCK)
        # A body without a length may have ended without showing it.
        if not self.response.closed:
            self.response.close()
        self.response.release_conn()


class Transport:
    """Connections to hosts, kept for further requests; may be used by several threads.

    Timeouts are in seconds and count for each operation on a connection; whole transfers are bounded by the
    network's patience.
    """

    def __init__(self, network: Network, *, connect_timeout: float = 15, read_timeout: float = 120) -> None:
        self._network = network
        timeout = urllib3.Timeout(connect=connect_timeout, read=read_timeout)
        self._pools = network.pools(num_pools=16, maxsize=16, blocksize=_BLOCK, timeout=timeout)
        self._lock = Lock()
        self._warned: set[str] = set()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        authorization: str | None = None,
        body: bytes | BinaryIO | None = None,
        confidential: bool = False,
    ) -> Answer:
        """Send a request and follow redirects of GET and HEAD.

        `authorization` goes to the origin of `url` alone; `confidential` tells that the body is as secret. No
        answer raises `TransportError`, temporary where another attempt may help; so does a redirect from
        https to http.
        """
        if authorization is not None or confidential:
            self._check_exposure(url)
        first = url
        for _ in range(_MAX_REDIRECTS + 1):
            same = authority(url) == authority(first)
            response = self._exchange(method, url, _with(headers, authorization if same else None), body)
            target = response.headers.get("Location")
            if response.status not in _REDIRECTS or method not in ("GET", "HEAD") or not target:
                return Answer(response, redirected=not same)
            Answer(response, redirected=False).discard()
            url = _checked_redirect(url, target)
        raise TransportError(f"{origin(first)} redirects more than {_MAX_REDIRECTS} times")

    def close(self) -> None:
        """Close the connections."""
        self._pools.clear()

    def _check_exposure(self, url: str) -> None:
        """Warn of secrets that others can read on the way; raises `TransportError` for a doubtful host."""
        is_plain = split(url).scheme == "http"
        if not is_plain and self._network.trust.verified:
            return
        how = "over plain HTTP" if is_plain else "without verifying certificates"
        if not self._network.is_trusted(url):
            raise TransportError(
                f"{origin(url)} gets no credentials: it was first asked after a RUN step, which may have said"
                f" where it is, and {how} nobody can tell whether that is true"
            )
        with self._lock:
            is_known = origin(url) in self._warned
            self._warned.add(origin(url))
        if not is_known:
            logger.warning("%s gets credentials %s: anybody on the way can read them", origin(url), how)

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | BinaryIO | None
    ) -> urllib3.BaseHTTPResponse:
        try:
            return self._pools.request(
                method,
                url,
                body=body,
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
        except (HTTPError, OSError, ValueError) as error:
            text = f"{origin(url)} cannot be reached: {describe_failure(error)}"
            if isinstance(error, SSLError) and "certificate" not in text:
                text += "; a registry that speaks plain HTTP must be declared insecure, for pulling and for"
                text += " pushing: --insecure-registry does both"
            raise TransportError(text, temporary=_is_temporary(error)) from error


def origin(url: str) -> str:
    """Return scheme, host and port of a URL: all that an error may show, since queries hold signatures."""
    parts = split(url)
    return printable(f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}", 200)


def split(url: str) -> SplitResult:
    """Take a URL of unknown origin apart; raises `TransportError` where it is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise TransportError(f"{printable(url, 200)!r} is not a URL") from None
    return parts


def join(base: str, url: str) -> str:
    """Complete a URL of unknown origin; raises `TransportError` where it is none."""
    split(url)
    return urljoin(base, url)


def authority(url: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port, to compare whether two URLs go to the same server."""
    parts = split(url)
    return parts.scheme, parts.hostname, parts.port or PORTS.get(parts.scheme)


def describe_failure(error: Exception) -> str:
    """Say in words what kept an answer from coming."""
    match error:
        case NewConnectionError():
            return str(error).rpartition(": ")[2]
        case ProxyError():
            return f"the proxy fails: {describe_failure(error.original_error)}"
        case SSLError() if "certificate verify failed" in str(error).lower():
            return (
                f"its certificate is not trusted ({_reason(error)}); SSL_CERT_FILE or --registry-certificate"
                " can name a CA bundle"
            )
        case SSLError() if _has_sign(error, _WANTS_CERTIFICATE):
            return f"it wants a certificate ({_reason(error)}): --registry-client-cert can name one"
        case SSLError():
            return f"TLS failed ({_reason(error)})"
        case ProtocolError(args=(*_, BadStatusLine() as line)) if not isinstance(line, ConnectionError):
            return f"it does not answer in HTTP: {_reason(line)}"
    return _reason(error)


def _reason(error: Exception) -> str:
    return printable(str(error.args[-1] if error.args else error), 300)


def _has_sign(error: Exception, signs: Iterable[str]) -> bool:
    return any(sign in str(error).lower() for sign in signs)


def _is_temporary(error: Exception) -> bool:
    if isinstance(error, SSLError):
        return not _has_sign(error, _LASTING_TLS_FAILURES)
    if isinstance(error, ProxyError):
        refused = _REFUSED_TUNNEL.search(str(error.original_error))
        return not refused and _is_temporary(error.original_error)
    return not isinstance(error, ValueError)


def _with(headers: Mapping[str, str], authorization: str | None) -> Mapping[str, str]:
    extra = {} if authorization is None else {"Authorization": authorization}
    return {"Accept-Encoding": "identity", "User-Agent": "yadokari", **headers, **extra}


def _checked_redirect(source: str, location: str) -> str:
    target = join(source, location)
    if urlsplit(target).scheme not in PORTS:
        raise TransportError(f"{origin(source)} redirects to {origin(target)}, which is not HTTP")
    if leads_to_node(urlsplit(target).hostname or "", urlsplit(source).hostname or ""):
        raise TransportError(f"{origin(source)} redirects to {origin(target)}, which is of the node alone")
    if urlsplit(source).scheme == "https" and urlsplit(target).scheme == "http":
        raise TransportError(f"{origin(source)} redirects to {origin(target)}, which gives up TLS")
    return target
