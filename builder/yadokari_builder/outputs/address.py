"""What came out, told to an address of the web, as kaniko's `--digest-file` does."""

from yadokari_builder.errors import RegistryError, UsageError
from yadokari_builder.registry.http.failures import describe_status
from yadokari_builder.registry.http.retry import RetryPolicy
from yadokari_builder.registry.http.transport import Transport, TransportError, origin, split

_HTTPS = "https://"
_TEMPORARY = frozenset({408, 429, *range(500, 600)})


def is_address(text: str) -> bool:
    """Tell whether something is sent there, in place of a file that is written."""
    return text.startswith(_HTTPS)


def host_of(address: str) -> str:
    """Return the name of an address's host; raises `UsageError` where it names none."""
    try:
        host = split(address).hostname
    except TransportError as error:
        raise UsageError(str(error)) from None
    if not host:
        raise UsageError(f"{origin(address)} names no host")
    return host


def send(address: str, text: str, transport: Transport, retry: RetryPolicy | None = None) -> None:
    """Put a text at an address, which may be a signed one: errors show no more of it than the host.

    Raises `UsageError` where that is refused, `RegistryError` where it failed again and again.
    """
    (retry or RetryPolicy()).run(lambda: _send(address, text, transport))


def _send(address: str, text: str, transport: Transport) -> None:
    answer = transport.send("PUT", address, headers={"Content-Type": "text/plain"}, body=text.encode())
    answer.discard()
    if answer.status < 300:
        return
    what = f"{origin(address)} does not take it: {describe_status(answer.status)}"
    if answer.status in _TEMPORARY:
        raise RegistryError(what, status=answer.status, temporary=True)
    raise UsageError(what)
