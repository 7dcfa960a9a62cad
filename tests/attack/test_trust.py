"""Steps that change whom the executor trusts, and whom it takes for whom, while it still has to push."""

import contextlib
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.attack import attack
from support.hostile import hostile_server, saying
from support.pod import Bind, why_no_containers
from support.registry import docker_config, make_certificate, running_registry

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]

LOUD = "/lib/x86_64-linux-gnu/libmemusage.so"
SETTINGS = f"""\
openssl_conf = a
[a]
providers = b
ssl_conf = c
[b]
default = d
loud = e
[d]
activate = 1
[e]
module = {LOUD}
activate = 1
[c]
system_default = f
[f]
VerifyMode = None"""


@pytest.mark.writable
def test_a_step_cannot_have_an_authority_of_its_own_trusted(tmp_path: Path, kind: str) -> None:
    certificate = make_certificate(tmp_path / "tls")
    context = tmp_path / "context"
    context.mkdir()
    shutil.copy(certificate.authority, context / "ca.pem")
    (context / "settings").write_text(SETTINGS)
    answer = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    with hostile_server(answer, certificate) as host:
        add = f"ADD https://{host}/file /file\n"
        trusted = attack(
            context, f"FROM scratch\n{add}", binds=[Bind(str(certificate.authority))],
            env={"SSL_CERT_FILE": str(certificate.authority)},
        )  # fmt: skip
        assert trusted.exit_code == 0, trusted.output
        result = attack(
            context,
            "FROM debian:bookworm\nCOPY ca.pem settings /\n"
            "RUN mkdir -p /yadokari/e; cat /ca.pem >> /yadokari/e/cert.pem; mkdir -p /yadokari/e/certs;"
            " for n in $(seq 0 9); do cp /ca.pem /yadokari/e/certs/$n; done;"
            f" cp /settings /yadokari/e/openssl.cnf\n{add}",
            kind=kind,
        )
    assert "certificate verify failed" in result.output.lower(), result.output
    assert "heap peak: " not in result.output


@contextlib.contextmanager
def listening(address: tuple[str, int]) -> Iterator[list[bytes]]:
    """Ask whoever comes for a password, and keep what they say."""
    said: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    said.append(connection.recv(65536))
                    connection.sendall(
                        b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"
                    )

    with socket.create_server(address) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield said
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_step_cannot_lead_a_push_to_another_address(tmp_path: Path, kind: str) -> None:
    with running_registry(tmp_path / "registry", passwords=True) as registry:
        port = int(registry.host.partition(":")[2])
        name = f"localhost:{port}"
        with listening(("127.0.0.2", port)) as said:
            result = attack(
                tmp_path,
                "FROM busybox\nRUN for n in $(seq 6); do head -c 9000000 /dev/urandom > /$n; done\n"
                "RUN echo '127.0.0.2 localhost' > /etc/hosts; sleep 3\n",
                f"--destination={name}/image:1", "--insecure",
                env={"DOCKER_AUTH_CONFIG": docker_config(name)}, kind=kind,
            )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert said == []
