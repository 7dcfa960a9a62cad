"""URLs of files that ADD fetches from the web: what is one, how it may be shown, what is wrong with one."""

import posixpath
import re
from urllib.parse import unquote, urlsplit, urlunsplit

from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.quoting import quote

_LARGEST_PORT = 65535
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NO_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2}).{0,2}")
_USER = re.compile(r"(?:[A-Za-z0-9._:~!$&'()*+,;=@-]|%[0-9A-Fa-f]{2})*")
_NOT_IN_HOST = re.compile(r"[ %\\^`{|}]")


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


def check_url(url: str) -> None:
    """Refuse a URL that no server can be asked for, in words like those of Go's net/url.

    Raises LanguageError, which does not show what may be secret: user, password and query.
    """
    if fault := malformation(url) or _hindrance(url):
        raise LanguageError(f"parse {quote(without_credentials(url))}: {fault}", url)


def malformation(url: str) -> str:
    """Say why a URL is none for Go's `url.Parse`; empty if it is one."""
    if _CONTROL.search(url):
        return "net/url: invalid control character in URL"
    try:
        parts = urlsplit(url)
    except ValueError:
        return "invalid host"
    user, _, server = parts.netloc.rpartition("@")
    host, port = _split_port(server)
    if not _USER.fullmatch(user):
        return "net/url: invalid userinfo"
    if wrong := _NOT_IN_HOST.search(host):
        return f"invalid character {quote(wrong[0])} in host name"
    if not re.fullmatch("[0-9]*", port):
        return f"invalid port {quote(f':{port}')} after host"
    if wrong := _NO_ESCAPE.search(parts.path) or _NO_ESCAPE.search(parts.fragment):
        return f"invalid URL escape {quote(wrong[0])}"
    return ""


def _hindrance(url: str) -> str:
    """Say why nothing can be fetched from a well-formed URL."""
    parts = urlsplit(url)
    host, port = _split_port(parts.netloc.rpartition("@")[2])
    if not host:
        return "http: no Host in request URL"
    if len(port.lstrip("0")) > 5 or int(port.lstrip("0") or 0) > _LARGEST_PORT:
        return f"address {port[:20]}: invalid port"
    name = posixpath.basename(unquote(parts.path).rstrip("/"))
    return f"no file can be named {quote(name)}" if "\0" in name or name == ".." else ""


def _split_port(server: str) -> tuple[str, str]:
    if server.startswith("["):
        host, _, port = server.partition("]")
        return f"{host}]", port.removeprefix(":")
    host, _, port = server.partition(":")
    return host, port
