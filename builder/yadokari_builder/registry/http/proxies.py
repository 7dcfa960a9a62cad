"""Proxies as the environment names them, by `yadokari_contract.proxies`."""

from collections.abc import Mapping

from yadokari_builder.errors import UsageError
from yadokari_contract import proxies
from yadokari_contract.proxies import Proxies, ProxyError


def read_proxies(environment: Mapping[str, str]) -> Proxies:
    """Read the proxies when a build begins, and never again. Raises `UsageError`."""
    try:
        return proxies.read_proxies(environment)
    except ProxyError as error:
        raise UsageError(str(error)) from error
