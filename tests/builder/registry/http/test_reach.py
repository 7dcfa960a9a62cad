"""How registries are reached, each by what is said of it."""

import contextlib
import http.server
import logging
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.gate import Gate, Spoiled, running_gate
from support.handmade import make_image
from support.registry import Certificate, Registry, docker_config, make_certificate, running_registry
from support.tokens import TokenServer, serving
from yadokari_builder.errors import RegistryError, UnauthorizedError, UsageError
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.credentials.config_file import parse_config
from yadokari_builder.registry.credentials.credential import Keychain
from yadokari_builder.registry.credentials.helpers import HelpedCredentials, Helpers
from yadokari_builder.registry.http.addresses import Addresses
from yadokari_builder.registry.http.connections import Network
from yadokari_builder.registry.http.reach import Certificates, Hosts, Policy, Reach, Transports
from yadokari_builder.registry.http.retry import RetryPolicy
from yadokari_builder.registry.http.tls import ClientCertificate, Trust
from yadokari_builder.registry.pull import Puller
from yadokari_builder.registry.push import Pusher

INSECURE = Policy(insecure=Hosts(all=True))
UNVERIFIED = Policy(unverified=Hosts(all=True))


@contextlib.contextmanager
def client(
    policy: Policy,
    *,
    certificates: Certificates | None = None,
    config: str = "{}",
    addresses: Addresses | None = None,
) -> Iterator[RegistryClient]:
    network = Network(Trust(""), addresses or Addresses())
    with contextlib.closing(Transports(network, certificates, read_timeout=5)) as transports:
        keychain = Keychain((HelpedCredentials(parse_config(config, "x"), Helpers({})),))
        yield RegistryClient(Reach(transports, policy), keychain=keychain, retry=RetryPolicy(attempts=1))


def push_and_pull(client: RegistryClient, folder: Path, name: str) -> None:
    made = make_image(folder, {"a": b"1"})
    with Pusher(client, [Reference.parse(name)]) as pusher:
        pusher.check()
        for layer in made.layers:
            pusher.add_layer(layer)
        pusher.finish(made.image)
    pull(client, name)


def pull(client: RegistryClient, name: str) -> None:
    pulled = Puller(client).resolve(Reference.parse(name), Platform("linux", "amd64"))
    with pulled.layers[0].open() as blob:
        assert blob.read()


def test_an_insecure_registry_without_tls_is_spoken_to_over_plain_http(
    gate: Gate, tmp_path: Path, name: str
) -> None:
    with client(INSECURE) as made:
        push_and_pull(made, tmp_path, f"{gate.host}/{name}")
    assert [request.path for request in gate.passed].count("/v2/") == 1


def test_an_insecure_registry_with_tls_is_spoken_to_by_tls(
    secure_registry: Registry, certificate: Certificate, tmp_path: Path, name: str
) -> None:
    host = secure_registry.host
    own = Certificates(authorities={host: str(certificate.authority)})
    with client(INSECURE, certificates=own, config=docker_config(host)) as made:
        push_and_pull(made, tmp_path, f"{host}/{name}")


def test_an_insecure_registry_with_tls_must_still_be_the_right_one(
    secure_registry: Registry, name: str
) -> None:
    with client(INSECURE) as made, pytest.raises(RegistryError, match="certificate is not trusted"):
        pull(made, f"{secure_registry.host}/{name}")


def test_what_answers_in_neither_way_is_told_for_both(name: str) -> None:
    with client(INSECURE) as made, pytest.raises(RegistryError, match="Connection refused") as caught:
        pull(made, f"127.0.0.1:9/{name}")
    assert "https://127.0.0.1:9 cannot be reached" in str(caught.value)
    assert "http://127.0.0.1:9 cannot be reached" in str(caught.value)
    assert caught.value.temporary


def test_a_server_that_is_no_registry_is_not_taken_for_one(gate: Gate, name: str) -> None:
    gate.spoil = lambda _: Spoiled(404)
    with client(INSECURE) as made, pytest.raises(RegistryError, match="is no registry: 404"):
        pull(made, f"{gate.host}/{name}")


def test_other_registries_are_not_insecure(registry: Registry, name: str) -> None:
    policy = Policy(insecure=Hosts(frozenset({"other.test"})))
    with client(policy) as made, pytest.raises(RegistryError, match="https://127"):
        pull(made, f"{registry.host}/{name}")


def test_a_certificate_that_is_not_verified_may_be_anybodys(
    secure_registry: Registry, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    host = secure_registry.host
    with client(Policy(unverified=Hosts(frozenset({host}))), config=docker_config(host)) as made:
        push_and_pull(made, tmp_path, f"{host}/{name}")
    with (
        client(Policy(unverified=Hosts(frozenset({"other.test"})))) as made,
        pytest.raises(RegistryError, match="certificate is not trusted"),
    ):
        pull(made, f"{host}/{name}")
    told = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.getMessage() for record in told] == [
        f"https://{host} gets credentials without verifying certificates: anybody on the way can read them"
    ]


def test_an_unverified_host_that_is_first_asked_after_a_step_gets_no_credentials(
    secure_registry: Registry, name: str
) -> None:
    port = secure_registry.host.partition(":")[2]
    addresses = Addresses(lambda _: ("127.0.0.1",))
    addresses.freeze()
    host = f"registry.test:{port}"
    with (
        client(UNVERIFIED, config=docker_config(host), addresses=addresses) as made,
        pytest.raises(RegistryError, match="gets no credentials: it was first asked after a RUN step"),
    ):
        pull(made, f"{host}/{name}")


def test_an_unverified_host_is_not_looked_up_again(secure_registry: Registry, name: str) -> None:
    port = secure_registry.host.partition(":")[2]
    places = [("127.0.0.9",), ("127.0.0.1",)]
    addresses = Addresses(lambda _: places.pop(0))
    with client(UNVERIFIED, addresses=addresses) as made, pytest.raises(RegistryError, match="refused"):
        pull(made, f"registry.test:{port}/{name}")
    assert places == [("127.0.0.1",)]


def test_what_is_said_of_a_registry_holds_for_its_token_server(
    token_keys: Path, certificate: Certificate, tmp_path: Path
) -> None:
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    with serving(Handler, context) as port:
        server = TokenServer(token_keys, realm=f"https://127.0.0.1:{port}/token")
        with running_registry(tmp_path / "registry", certificate=certificate, tokens=server) as secure:
            own = Certificates(authorities={secure.host: str(certificate.authority)})
            with client(Policy(), certificates=own) as made, pytest.raises(UnauthorizedError):
                pull(made, f"{secure.host}/team/app")
    assert len(asked) == 1


def make_client_certificate(folder: Path) -> tuple[Path, ClientCertificate]:
    """Make a certificate for the executor; gives its authority too."""
    made = make_certificate(folder)
    return made.authority, ClientCertificate(str(made.chain), str(made.key))


def test_a_registry_that_asks_for_a_certificate_is_shown_its_own(
    certificate: Certificate, tmp_path: Path, name: str
) -> None:
    authority, shown = make_client_certificate(tmp_path / "client")
    registry = running_registry(tmp_path / "registry", certificate=certificate, clients=authority)
    with registry as mutual:
        host = mutual.host
        trusted = {host: str(certificate.authority)}
        own = Certificates(authorities=trusted, clients={host: shown})
        with client(Policy(), certificates=own) as made:
            push_and_pull(made, tmp_path, f"{host}/{name}")
        with client(UNVERIFIED, certificates=Certificates(clients={host: shown})) as made:
            pull(made, f"{host}/{name}")
        with (
            client(Policy(), certificates=Certificates(authorities=trusted)) as made,
            pytest.raises(RegistryError, match="it wants a certificate") as caught,
        ):
            pull(made, f"{host}/{name}")
    assert not caught.value.temporary


def test_certificates_are_read_before_a_step_can_change_them(
    secure_registry: Registry, certificate: Certificate, tmp_path: Path, name: str
) -> None:
    host = secure_registry.host
    file = tmp_path / "ca.pem"
    file.write_bytes(certificate.authority.read_bytes())
    own = Certificates(authorities={host: str(file)})
    with client(Policy(), certificates=own, config=docker_config(host)) as made:
        file.unlink()
        push_and_pull(made, tmp_path, f"{host}/{name}")


def test_certificates_that_cannot_be_read_are_named(certificate: Certificate, tmp_path: Path) -> None:
    locked = tmp_path / "locked.key"
    lock = ["openssl", "ec", "-in", str(certificate.key), "-aes256", "-passout", "pass:x"]
    subprocess.run([*lock, "-out", str(locked)], check=True, capture_output=True)
    wrong = [
        Certificates(authorities={"a.test": "/no/where"}),
        Certificates(authorities={"a.test": "/etc/hostname"}),
        Certificates(clients={"a.test": ClientCertificate("/no/where", str(certificate.key))}),
        Certificates(clients={"a.test": ClientCertificate(str(certificate.chain), "/etc/hostname")}),
        Certificates(clients={"a.test": ClientCertificate(str(certificate.chain), str(locked))}),
    ]
    for certificates in wrong:
        with pytest.raises(UsageError, match="--registry-c"):
            Transports(Network(Trust("")), certificates)


def test_docker_hub_goes_by_all_its_names() -> None:
    hosts = Hosts(frozenset({"docker.io"}))
    assert "docker.io" in hosts
    assert "index.docker.io" in hosts
    assert "quay.io" not in hosts


def test_a_gate_before_an_insecure_registry_sees_the_way_found_once(
    registry: Registry, tmp_path: Path, name: str
) -> None:
    with running_gate(registry.host) as gate, client(INSECURE) as made:
        push_and_pull(made, tmp_path, f"{gate.host}/{name}")
        before = len(gate.passed)
        pull(made, f"{gate.host}/{name}")
        assert [request.path for request in gate.passed[before:]].count("/v2/") == 0
