"""RUN --mount=type=ssh: the agent that was handed over, behind a socket of the step's own."""

import os
import socket
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType

from yadokari_builder.errors import RunError, UsageError

DEFAULT_ID = "default"

_CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Agents:
    """Host paths of agents' sockets by id."""

    sockets: Mapping[str, str]

    def find(self, agent_id: str, *, required: bool) -> str | None:
        """Return an agent's socket, None where there is none and it is not required.

        Raises `RunError` where it is required.
        """
        path = self.sockets.get(agent_id)
        if path is None and required:
            raise RunError(
                f'no SSH key "{agent_id}" forwarded from the client: the step requires it;'
                f" hand an agent over by --ssh {agent_id}=SOCKET",
                status=126,
            )
        return path


def parse_agents(texts: Iterable[str], environment: Mapping[str, str]) -> Agents:
    """Read `ID=SOCKET` or `ID`, as `docker build --ssh` does; without a socket SSH_AUTH_SOCK names it.

    Raises `UsageError` for what is not an agent's socket: keys in files are not supported.
    """
    sockets = {}
    for text in texts:
        agent_id, _, path = text.partition("=")
        path = path or environment.get("SSH_AUTH_SOCK", "")
        if not path:
            raise UsageError(f"--ssh {text}: no socket is named and SSH_AUTH_SOCK is not set")
        if not _is_socket(path):
            raise UsageError(f"--ssh {text}: {path} is not an agent's socket; load keys into one by ssh-add")
        sockets[agent_id or DEFAULT_ID] = path
    return Agents(MappingProxyType(sockets))


@dataclass(frozen=True, slots=True)
class SshMount:
    """A socket that leads to the agent at the host path `agent`."""

    target: str
    agent: str
    uid: int = 0
    gid: int = 0
    mode: int = 0o600

    @contextmanager
    def content(self, place: str, existing: os.stat_result | None) -> Iterator[None]:  # noqa: ARG002
        """Make something to be put in place: a socket that is moved to another file system leads nowhere."""
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        yield

    @contextmanager
    def listening(self, place: str) -> Iterator[None]:
        """Listen at the host path where it stands now, and connect whoever comes with the agent."""
        os.unlink(place)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            _bind(listener, place)
            os.chown(place, self.uid, self.gid)
            os.chmod(place, self.mode)
            listener.listen()
            threading.Thread(target=_serve, args=(listener, self.agent), name="ssh", daemon=True).start()
            try:
                yield
            finally:
                # Closing alone would not wake the thread that accepts.
                listener.shutdown(socket.SHUT_RDWR)


def _bind(listener: socket.socket, place: str) -> None:
    """Bind by way of the folder's descriptor, since a socket's path holds no more than 107 bytes."""
    folder, name = os.path.split(place)
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listener.bind(f"/proc/self/fd/{descriptor}/{name}")
    finally:
        os.close(descriptor)


def _serve(listener: socket.socket, agent: str) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_relay, args=(client, agent), name="ssh-relay", daemon=True).start()


def _relay(client: socket.socket, agent: str) -> None:
    with client, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        try:
            server.connect(agent)
        except OSError:
            return
        back = threading.Thread(target=_copy, args=(server, client), name="ssh-relay-back", daemon=True)
        back.start()
        _copy(client, server)
        back.join()


def _copy(source: socket.socket, destination: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(_CHUNK):
            destination.sendall(chunk)
    with suppress(OSError):
        destination.shutdown(socket.SHUT_WR)


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False
