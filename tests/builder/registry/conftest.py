"""Registries and clients of them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.clients import PLAIN
from support.registry import Registry, running_crane, running_registry
from support.tokens import TokenServer, make_token_keys, running_token_server
from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.credentials.config_file import parse_config
from yadokari_builder.registry.credentials.credential import Keychain
from yadokari_builder.registry.credentials.helpers import HelpedCredentials, Helpers
from yadokari_builder.registry.http.connections import Network
from yadokari_builder.registry.http.pace import Patience
from yadokari_builder.registry.http.reach import Policy, Reach, Transports
from yadokari_builder.registry.http.retry import RetryPolicy
from yadokari_builder.registry.http.tls import read_trust

PATIENT = Patience()
QUICK = RetryPolicy(attempts=4, first_delay=0.001, max_delay=1)

ClientMaker = Callable[..., RegistryClient]


@pytest.fixture(scope="session", params=[running_registry, running_crane], ids=["docker", "crane"])
def registry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry of each kind that lets anybody in; tests keep apart by their repositories' names."""
    with request.param(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def guarded_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("registry"), passwords=True) as running:
        yield running


@pytest.fixture(scope="session")
def token_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_token_keys(tmp_path_factory.mktemp("tokens"))


@pytest.fixture
def tokens(token_keys: Path) -> Iterator[TokenServer]:
    server = TokenServer(
        token_keys,
        passwords={("builder", "pass word:1"): ("team/app", "team/base"), ("reader", "reads"): ()},
        identities={"an identity token": ("team/app",)},
    )
    with running_token_server(server):
        yield server


@pytest.fixture
def token_registry(tmp_path: Path, tokens: TokenServer) -> Iterator[Registry]:
    with running_registry(tmp_path / "registry", tokens=tokens) as running:
        yield running


@pytest.fixture
def client(client_with: ClientMaker) -> RegistryClient:
    """A client without credentials that speaks plain HTTP and does not wait long."""
    return client_with()


@pytest.fixture
def client_with() -> Iterator[ClientMaker]:
    """Makes clients with the credentials of a config.json, without TLS unless there is a CA file."""
    with ExitStack() as stack:

        def make(
            config: str = "{}",
            *,
            ca_file: Path | None = None,
            retry: RetryPolicy = QUICK,
            patience: Patience = PATIENT,
        ) -> RegistryClient:
            trust = read_trust({"SSL_CERT_FILE": str(ca_file)} if ca_file else {})
            transports = Transports(Network(trust, patience=patience), read_timeout=5)
            stack.callback(transports.close)
            return RegistryClient(
                Reach(transports, Policy() if ca_file else PLAIN),
                keychain=Keychain((HelpedCredentials(parse_config(config, "config.json"), Helpers({})),)),
                retry=retry,
            )

        yield make
