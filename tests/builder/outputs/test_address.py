"""A digest that is told to an address, as kaniko does it."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import pytest

from support.executor import Executor
from support.registry import Certificate
from support.tokens import serving
from yadokari_builder.errors import RegistryError, UsageError
from yadokari_builder.outputs.address import send
from yadokari_builder.registry.http.connections import Network
from yadokari_builder.registry.http.retry import RetryPolicy
from yadokari_builder.registry.http.tls import Trust
from yadokari_builder.registry.http.transport import Transport

QUICK = RetryPolicy(attempts=3, first_delay=0.001)


@dataclass(slots=True)
class Bucket:
    """Takes what is put there, after it has answered with `statuses`."""

    address: str = ""
    statuses: list[int] = field(default_factory=list)
    taken: list[tuple[str, str, str]] = field(default_factory=list)


@contextmanager
def bucket(certificate: Certificate, *statuses: int) -> Iterator[Bucket]:
    running = Bucket(statuses=list(statuses))

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            running.taken.append((self.path, self.headers["Content-Type"], body))
            self.send_response(running.statuses.pop(0) if running.statuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    with serving(Handler, context) as port:
        running.address = f"https://127.0.0.1:{port}"
        yield running


def transport(certificate: Certificate) -> Transport:
    return Transport(Network(Trust(certificate.authority.read_text())))


def test_a_build_puts_its_digest_at_an_address(executor: Executor, certificate: Certificate) -> None:
    with bucket(certificate) as there:
        outputs = [f"--digest-file={there.address}/digest?signature=s3cret", "--tar-path=image.tar"]
        dockerfile = "FROM scratch\nCMD x\n"
        done = executor(dockerfile, "--no-push", *outputs, SSL_CERT_FILE=str(certificate.authority))
    assert done.code == 0, done.log
    ((path, kind, digest),) = there.taken
    assert (path, kind) == ("/digest?signature=s3cret", "text/plain")
    assert f"built {digest}:" in done.log
    assert "s3cret" not in done.log


def test_what_fails_for_a_while_is_sent_again(certificate: Certificate) -> None:
    with bucket(certificate, 503, 429) as there:
        send(f"{there.address}/x", "text", transport(certificate), QUICK)
    assert len(there.taken) == 3


@pytest.mark.parametrize(("status", "kind"), [(403, UsageError), (302, UsageError), (500, RegistryError)])
def test_what_is_not_taken_is_told_without_the_address(
    certificate: Certificate, status: int, kind: type[Exception]
) -> None:
    with bucket(certificate, *[status] * 3) as there, pytest.raises(kind) as caught:
        send(f"{there.address}/x?signature=s3cret", "text", transport(certificate), QUICK)
    assert str(caught.value).startswith(f"{there.address} does not take it: {status} ")
