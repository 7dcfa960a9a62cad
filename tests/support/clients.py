"""Clients that speak plain HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.http.connections import Network
from yadokari_builder.registry.http.reach import Hosts, Policy, Reach, Transports
from yadokari_builder.registry.http.tls import Trust

PLAIN = Policy(plain=Hosts(all=True))


@contextmanager
def plain_client(**settings: Any) -> Iterator[RegistryClient]:
    """Make a client without TLS; `settings` are those of `RegistryClient`."""
    transports = Transports(Network(Trust("")))
    try:
        yield RegistryClient(Reach(transports, PLAIN), **settings)
    finally:
        transports.close()
