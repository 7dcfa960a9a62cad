"""Real registries for tests, on loopback ports: Debian's docker-registry, and that of go-containerregistry.

The former with the kinds of access that are common: anybody's, passwords, TLS by a private authority, bearer
tokens of a server of the tests' own.
"""

import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.programs import program
from support.tokens import TokenServer

USER, PASSWORD = "builder", "pass word:1"
# bcrypt is the only form that the registry takes.
_HTPASSWD = "builder:$2b$04$abcdefghijklmnopqrstuub9TnyeFISZpldHdbcDU3s8YSnFJEDwi\n"
_START_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server's certificate, its key, and the authority that signed it, as PEM files."""

    chain: Path
    key: Path
    authority: Path


@dataclass(frozen=True, slots=True)
class Registry:
    """A running registry; `host` as it stands in references, `storage` where it keeps what it has."""

    host: str
    storage: Path

    def skopeo(self, *arguments: str) -> str:
        """Run skopeo without TLS and return what it prints."""
        verb, *rest = arguments
        tls = {
            "inspect": ["--tls-verify=false"],
            "copy": ["--src-tls-verify=false", "--dest-tls-verify=false"],
        }
        done = subprocess.run(
            ["skopeo", "--insecure-policy", verb, *tls.get(verb, []), *rest],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextlib.contextmanager
def running_registry(
    folder: Path,
    *,
    passwords: bool = False,
    certificate: Certificate | None = None,
    clients: Path | None = None,
    tokens: TokenServer | None = None,
) -> Iterator[Registry]:
    """Run a registry that keeps its data in `folder`; skips where docker-registry is not installed.

    With `clients` it wants certificates of that authority.
    """
    registry = shutil.which("docker-registry")
    if registry is None:
        pytest.skip("docker-registry is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    configuration = _configuration(folder, port, passwords, certificate, tokens)
    if clients:
        configuration["http"]["tls"]["clientcas"] = [str(clients)]
    file = folder / "config.yml"
    file.write_text(json.dumps(configuration))
    with _serving([registry, "serve", str(file)], port, folder):
        yield Registry(f"127.0.0.1:{port}", folder)


@contextlib.contextmanager
def running_crane(folder: Path) -> Iterator[Registry]:
    """Run another registry, that of go-containerregistry; skips where tests/setup has not compiled it."""
    crane = program("crane")
    if not crane:
        pytest.skip("crane is not compiled: tests/setup servers")
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [crane, "registry", "serve", f"--address=127.0.0.1:{port}", f"--disk={folder}"]
    with _serving(command, port, folder):
        yield Registry(f"127.0.0.1:{port}", folder)


DOCKER_ALONE = pytest.mark.parametrize("registry", [running_registry], indirect=True, ids=["docker"])
"""For what the other kind does not do: keep repositories' blobs apart, say how far an upload is."""


@contextlib.contextmanager
def _serving(command: list[str], port: int, folder: Path) -> Iterator[None]:
    environment = {"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        _wait_for(port, process, folder / "log")
        yield
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def make_certificate(folder: Path) -> Certificate:
    """Make a private authority and a certificate of it for 127.0.0.1 and localhost."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-x509"]
    _openssl(
        folder, "req", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Tests' authority",
        "-addext", "keyUsage=critical,keyCertSign",
    )  # fmt: skip
    _openssl(
        folder, "req", *key, "-keyout", "server.key", "-out", "server.pem", "-subj", "/CN=localhost",
        "-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
        "-addext", "basicConstraints=critical,CA:FALSE",
    )  # fmt: skip
    return Certificate(folder / "server.pem", folder / "server.key", folder / "ca.pem")


def docker_config(host: str, username: str = USER, password: str = PASSWORD) -> str:
    """Return the text of a config.json with one registry's password."""
    auth = base64.b64encode(f"{username}:{password}".encode()).decode()
    return json.dumps({"auths": {host: {"auth": auth}}})


def _configuration(
    folder: Path, port: int, passwords: bool, certificate: Certificate | None, tokens: TokenServer | None
) -> dict[str, Any]:
    http: dict[str, Any] = {"addr": f"127.0.0.1:{port}", "secret": "of the tests"}
    if certificate:
        http["tls"] = {"certificate": str(certificate.chain), "key": str(certificate.key)}
    configuration: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(folder)}, "delete": {"enabled": True}},
        "http": http,
    }
    if passwords:
        (folder / "htpasswd").write_text(_HTPASSWD)
        configuration["auth"] = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    if tokens:
        configuration["auth"] = {
            "token": {
                "realm": tokens.realm,
                "service": tokens.service,
                "issuer": tokens.issuer,
                "rootcertbundle": str(tokens.certificate),
            }
        }
    return configuration


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.01)
    raise AssertionError(f"the registry does not start: {log.read_text()}")


def _openssl(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
