"""OpenSSH's server, on a loopback port, with keys of the tests' own."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from support.registry import free_port
from yadokari_builder.sources.ssh.access import SshAccess

_SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
WHY_NO_SSHD = "" if _SSHD and os.geteuid() == 0 else "openssh-server is not installed, or this is not root"

USER = pwd.getpwuid(os.geteuid()).pw_name
_KINDS = ("ed25519", "ecdsa", "rsa")


def connect(host: str, port: int) -> socket.socket:
    """Connect, as a build that knows where hosts are."""
    return socket.create_connection((host, port), 10)


NO_SSH = SshAccess(connect)
"""For whoever needs no ssh: there is no key, and no server is known."""


@dataclass(frozen=True, slots=True)
class Sshd:
    """A running server; its host keys and those that it lets in are files in `folder`."""

    folder: Path
    port: int

    @property
    def site(self) -> str:
        """As it stands in a URL."""
        return f"ssh://{USER}@127.0.0.1:{self.port}"

    def key(self, kind: str = "ed25519") -> str:
        """Return a private key that opens the server."""
        return (self.folder / f"user_{kind}").read_text()

    def known_hosts(self, kind: str = "ed25519", host: str = "") -> str:
        """Return the line for the server's key of a kind."""
        public = (self.folder / f"host_{kind}.pub").read_text()
        return f"{host or f'[127.0.0.1]:{self.port}'} {public}"

    def access(self, **changes: object) -> SshAccess:
        """Return what lets a client in, with changes."""
        access = SshAccess(connect, private_key=self.key(), known={"known_hosts": self.known_hosts()})
        return replace(access, **changes)  # type: ignore[arg-type]


@contextmanager
def running_sshd(folder: Path) -> Iterator[Sshd]:
    """Run a server with keys of the usual kinds, for whoever runs the tests."""
    folder.mkdir(parents=True)
    allowed = []
    for kind in _KINDS:
        for whose in ("host", "user"):
            make_key(folder / f"{whose}_{kind}", kind)
        allowed.append((folder / f"user_{kind}.pub").read_text())
    (folder / "authorized_keys").write_text("".join(allowed))
    server = Sshd(folder, free_port())
    (folder / "config").write_text(_configuration(server))
    # Where it separates its privileges; a service of the machine would make it.
    os.makedirs("/run/sshd", exist_ok=True)
    assert _SSHD
    command = [_SSHD, "-D", "-e", "-f", str(folder / "config")]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, cwd=folder) as process,
    ):
        try:
            _await(server, process)
            yield server
        finally:
            process.terminate()


def make_key(file: Path, kind: str = "ed25519", passphrase: str = "") -> str:
    """Make a pair of keys; returns the private one."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "", "-f", str(file)]
    subprocess.run(command, check=True, timeout=60)
    return file.read_text()


@contextmanager
def running_agent(folder: Path, key: str) -> Iterator[str]:
    """Run an agent that holds a key; yields its socket's path."""
    path = str(folder / "agent")
    with subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(200):
                if os.path.exists(path):
                    break
                time.sleep(0.05)
            environment = {"PATH": os.environ["PATH"], "SSH_AUTH_SOCK": path}
            subprocess.run(
                ["ssh-add", "-q", "-"], input=key.encode(), env=environment, check=True, timeout=60
            )
            yield path
        finally:
            process.terminate()


def _configuration(server: Sshd) -> str:
    keys = "".join(f"HostKey {server.folder}/host_{kind}\n" for kind in _KINDS)
    return (
        f"ListenAddress 127.0.0.1\nPort {server.port}\n{keys}"
        f"AuthorizedKeysFile {server.folder}/authorized_keys\n"
        "PidFile none\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\nUsePAM no\n"
        "MaxStartups 100\nAcceptEnv GIT_PROTOCOL\n"
    )


def _await(server: Sshd, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(200):
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", server.port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"sshd does not start: {(server.folder / 'log').read_text()}")
