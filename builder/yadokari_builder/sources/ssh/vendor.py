"""What dulwich asks for when it fetches by ssh."""

from urllib.parse import unquote, urlsplit

from dulwich.client import SSHVendor

from yadokari_builder.dockerfile.urls import without_credentials
from yadokari_builder.errors import ContextError
from yadokari_builder.sources.ssh.access import SshAccess
from yadokari_builder.sources.ssh.connection import Command, Server
from yadokari_builder.sources.ssh.known_hosts import DEFAULT_PORT

_SCHEME = "ssh://"
# What forges call everybody who comes by ssh.
_USER = "git"


class SshVendor(SSHVendor):
    """Runs git's programs on one server; what dulwich leaves running ends with `close`."""

    def __init__(self, server: Server, access: SshAccess) -> None:
        self._server = server
        self._access = access
        self._running: list[Command] = []

    def run_command(  # type: ignore[override]
        self,
        host: str,  # noqa: ARG002
        command: bytes,
        *,
        protocol_version: int | None = None,
        **_: object,
    ) -> Command:
        """Run a program; dulwich itself knows nothing more of the server than the name. See `Command`."""
        version = {"GIT_PROTOCOL": "version=2"} if protocol_version in (None, 2) else {}
        self._running.append(Command(self._server, self._access, command, version))
        return self._running[-1]

    def close(self) -> None:
        """Hang up."""
        for command in self._running:
            command.close()


def server_of(remote: str) -> tuple[Server, str]:
    """Read `ssh://[USER@]HOST[:PORT]/PATH` or `USER@HOST:PATH`; raises ContextError."""
    if not remote.startswith(_SCHEME):
        user, _, rest = remote.partition("@")
        host, _, path = rest.partition(":")
        return Server(host, user), path
    parts = urlsplit(remote)
    try:
        host, port = parts.hostname or "", parts.port or DEFAULT_PORT
    except ValueError:
        host, port = "", DEFAULT_PORT
    if not host or host.startswith("-"):
        raise ContextError(f"{without_credentials(remote)}: write it as ssh://USER@HOST/PATH")
    if parts.password is not None:
        raise ContextError(f"{without_credentials(remote)}: git over ssh takes no passwords, but keys")
    return Server(host, unquote(parts.username or _USER), port), unquote(parts.path)
