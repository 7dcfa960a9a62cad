"""With what git's servers are reached by ssh: the keys of the environment, an agent, and the servers' keys.

The variables are those that GitLab's documentation of ssh keys made common.
"""

import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from yadokari_builder.errors import UsageError
from yadokari_builder.sources.ssh.known_hosts import KnownHosts

PRIVATE_KEY = "SSH_PRIVATE_KEY"
KNOWN_HOSTS = "SSH_KNOWN_HOSTS"
_AGENT = "SSH_AUTH_SOCK"

_FILES = ("root/.ssh/known_hosts", "etc/ssh/ssh_known_hosts")

Dial = Callable[[str, int], socket.socket]
"""Connects to a port of a host; raises `OSError`."""


@dataclass(frozen=True, slots=True)
class SshAccess:
    """A private key, the path of an agent's socket, and texts of known_hosts files by their names.

    "" for what there is none of.
    """

    dial: Dial
    private_key: str = field(default="", repr=False)
    agent: str = ""
    known: Mapping[str, str] = field(default_factory=dict)

    def known_hosts(self) -> KnownHosts:
        """Read the keys of servers; raises ContextError."""
        parsed = [KnownHosts.parse(text, name) for name, text in self.known.items()]
        return KnownHosts(tuple(entry for hosts in parsed for entry in hosts.entries))


def read_access(environment: Mapping[str, str], agent: str, dial: Dial, root: Path) -> SshAccess:
    """Find keys: in the variables, which hold them or name a file; servers' also in files below `root`.

    `agent` comes before that of the environment. Raises `UsageError` for a file that cannot be read.
    """
    known = _read(environment, KNOWN_HOSTS)
    return SshAccess(
        dial,
        _read(environment, PRIVATE_KEY),
        agent or environment.get(_AGENT, ""),
        {KNOWN_HOSTS: known} if known else _usual_files(root),
    )


def _usual_files(root: Path) -> dict[str, str]:
    found = {}
    for file in _FILES:
        with suppress(OSError, UnicodeDecodeError):
            found[f"/{file}"] = (root / file).read_text()
    return found


def _read(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value.startswith("/"):
        return value
    try:
        return Path(value).read_text()
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{name} names {value}, which cannot be read") from None
