"""URLs of files that ADD fetches from the web: what can be known to be wrong before anything is fetched."""

import posixpath
import re
from urllib.parse import unquote, urlsplit

from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.quoting import quote

_LARGEST_PORT = 65535
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NO_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2}).{0,2}")
_NOT_IN_HOST = re.compile(r"[ %\\^`{|}]")


def check_url(url: str) -> None:
    """Refuse a URL that no server can be asked for, in words like those of Go's net/url.

    Raises LanguageError, which does not show what may be secret: user, password and query.
    """
    if fault := _fault(url):
        scheme, _, rest = re.split("[?#]", url)[0].partition("://")
        server, slash, path = rest.partition("/")
        shown = f"{scheme}://{server.rpartition('@')[2]}{slash}{path}"
        raise LanguageError(f"parse {quote(shown)}: {fault}", url)


def _fault(url: str) -> str:
    if _CONTROL.search(url):
        return "net/url: invalid control character in URL"
    try:
        parts = urlsplit(url)
    except ValueError:
        return "invalid host"
    host, port = _split_port(parts.netloc.rpartition("@")[2])
    if not host:
        return "http: no Host in request URL"
    if wrong := _NOT_IN_HOST.search(host):
        return f"invalid character {quote(wrong[0])} in host name"
    if not re.fullmatch("[0-9]*", port):
        return f"invalid port {quote(f':{port}')} after host"
    if int(port[-20:] or 0) > _LARGEST_PORT or len(port) > 20:
        return f"address {port[:20]}: invalid port"
    if wrong := _NO_ESCAPE.search(parts.path):
        return f"invalid URL escape {quote(wrong[0])}"
    name = posixpath.basename(unquote(parts.path).rstrip("/"))
    if "\0" in name or name == "..":
        return f"no file can be named {quote(name)}"
    return ""


def _split_port(netloc: str) -> tuple[str, str]:
    if netloc.startswith("["):
        host, _, port = netloc.partition("]")
        return f"{host}]", port.removeprefix(":")
    host, _, port = netloc.partition(":")
    return host, port
