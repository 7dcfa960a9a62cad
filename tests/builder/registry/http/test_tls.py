"""Whom TLS trusts, and that a step cannot change that."""

import contextlib
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from support.registry import Certificate, make_certificate
from yadokari_builder.errors import UsageError
from yadokari_builder.registry.http.addresses import Addresses
from yadokari_builder.registry.http.connections import Network
from yadokari_builder.registry.http.tls import Trust, read_trust
from yadokari_builder.registry.http.transport import Transport, TransportError


@contextlib.contextmanager
def running_server(certificate: Certificate) -> Iterator[str]:
    """Serve empty answers over TLS; gives the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    class Server(HTTPServer):
        def handle_error(self, *_: object) -> None:
            return

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"https://localhost:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for localhost by an authority that nobody has agreed to."""
    return make_certificate(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def hostile_url(hostile: Certificate) -> Iterator[str]:
    with running_server(hostile) as url:
        yield url


def ask(trust: Trust, url: str, addresses: Addresses | None = None) -> int:
    network = Network(trust, addresses or Addresses())
    with contextlib.closing(Transport(network, read_timeout=5)) as transport:
        answer = transport.send("GET", url, headers={})
        answer.discard()
        return answer.status


def subject_hash(authority: Path) -> str:
    """Return the name that OpenSSL looks for in folders."""
    shown = ["openssl", "x509", "-noout", "-hash", "-in", str(authority)]
    return subprocess.run(shown, capture_output=True, text=True, check=True).stdout.strip()


def test_a_step_that_appends_to_the_bundle_is_not_trusted(
    tmp_path: Path, certificate: Certificate, hostile: Certificate, hostile_url: str
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(certificate.authority.read_bytes())
    trust = read_trust({"SSL_CERT_FILE": str(bundle)})
    with bundle.open("ab") as file:
        file.write(hostile.authority.read_bytes())
    with pytest.raises(TransportError, match="certificate is not trusted"):
        ask(trust, hostile_url)
    assert ask(read_trust({"SSL_CERT_FILE": str(bundle)}), hostile_url) == 204


def test_a_step_that_puts_a_certificate_into_the_folder_is_not_trusted(
    tmp_path: Path, certificate: Certificate, hostile: Certificate, hostile_url: str
) -> None:
    (tmp_path / "any-name.crt").write_bytes(certificate.authority.read_bytes())
    trust = read_trust({"SSL_CERT_DIR": str(tmp_path)})
    trust.context()
    tmp_path.joinpath(f"{subject_hash(hostile.authority)}.0").write_bytes(hostile.authority.read_bytes())
    with pytest.raises(TransportError, match="certificate is not trusted"):
        ask(trust, hostile_url)
    assert ask(read_trust({"SSL_CERT_DIR": f"/{tmp_path}:"}), hostile_url) == 204


def test_the_certificate_must_be_for_the_name_and_not_for_its_address(
    hostile: Certificate, hostile_url: str
) -> None:
    trust = read_trust({"SSL_CERT_FILE": str(hostile.authority)})
    addresses = Addresses(lambda _: ("127.0.0.1",))
    assert ask(trust, hostile_url, addresses) == 204
    with pytest.raises(TransportError, match=r"certificate is not trusted .*registry\.test"):
        ask(trust, hostile_url.replace("localhost", "registry.test"), addresses)


def test_a_certificate_may_be_trusted_without_its_authority_as_in_go(hostile: Certificate) -> None:
    with running_server(hostile) as url:
        assert ask(read_trust({"SSL_CERT_FILE": str(hostile.chain)}), url) == 204


def test_a_bundle_may_hold_other_things_in_any_encoding(tmp_path: Path, hostile: Certificate) -> None:
    bundle = tmp_path / "bundle.pem"
    other = (
        b"# Autoridad de Certificaci\xf3n -----\n-----BEGIN X509 CRL-----\nnonsense\n-----END X509 CRL-----\n"
    )
    bundle.write_bytes(other + hostile.authority.read_bytes() + hostile.key.read_bytes() + other)
    trust = read_trust({"SSL_CERT_FILE": str(bundle)})
    assert "PRIVATE" not in trust.authorities
    assert trust.context().cert_store_stats()["x509"] == 1


def test_without_settings_the_systems_authorities_are_trusted() -> None:
    defaults = ssl.create_default_context().cert_store_stats()
    assert read_trust({}).context().cert_store_stats()["x509_ca"] >= min(1, defaults["x509_ca"])


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SSL_CERT_FILE": "/no/where"}, "SSL_CERT_FILE: /no/where: No such file"),
        ({"SSL_CERT_FILE": "/etc"}, "SSL_CERT_FILE: /etc: Is a directory"),
        ({"SSL_CERT_FILE": "/etc/hostname"}, "/etc/hostname holds no certificate"),
        ({"SSL_CERT_DIR": "/no/where"}, "SSL_CERT_DIR: /no/where: No such file"),
        ({"SSL_CERT_FILE": "/dev/zero"}, "/dev/zero is larger than"),
    ],
)
def test_certificates_that_cannot_be_read_are_named(environment: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_trust(environment)


def test_a_broken_certificate_is_an_error_in_words(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n")
    with pytest.raises(UsageError, match=r"a certificate in SSL_CERT_FILE, SSL_CERT_DIR or .* is broken"):
        read_trust({"SSL_CERT_FILE": str(bundle)}).context()


def test_kanikos_folder_is_trusted_beside_what_else_is(
    tmp_path: Path, certificate: Certificate, hostile: Certificate, hostile_url: str
) -> None:
    (tmp_path / "additional-ca-cert-bundle.crt").write_bytes(hostile.authority.read_bytes())
    trust = read_trust({"SSL_CERT_FILE": str(certificate.authority)}, str(tmp_path))
    assert ask(trust, hostile_url) == 204
    assert trust.context().cert_store_stats()["x509"] == 2


def test_folders_add_to_the_systems_bundle_as_in_go(tmp_path: Path, hostile: Certificate) -> None:
    (tmp_path / "ca.pem").write_bytes(hostile.authority.read_bytes())
    common = read_trust({}).context().cert_store_stats()["x509"]
    added = read_trust({"SSL_CERT_DIR": str(tmp_path)}).context().cert_store_stats()["x509"]
    assert added == common + 1 or not os.path.exists(ssl.get_default_verify_paths().openssl_cafile)
