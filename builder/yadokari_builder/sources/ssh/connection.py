"""Programs run on servers by ssh: the server is the one that is known, or gets to know nothing of us."""

import base64
import ctypes
import io
from ctypes import byref, c_int, c_long, c_uint, c_void_p
from dataclasses import dataclass
from typing import Any

from yadokari_builder.dockerfile.quoting import printable
from yadokari_builder.errors import ContextError, DownloadError
from yadokari_builder.sources.ssh.access import KNOWN_HOSTS, PRIVATE_KEY, SshAccess
from yadokari_builder.sources.ssh.known_hosts import DEFAULT_PORT, HostKey, host_name
from yadokari_builder.sources.ssh.library import AGAIN, EOF, ERROR, OK, Option, load_library

_CONNECT_SECONDS = 30
# How long a server may be silent: it counts objects before it sends any.
_SILENT_SECONDS = 120
_SLICE_MILLISECONDS = 1000
_NOWHERE = b"/nowhere"
_SUCCESS = 0

# By the key's type, the signatures asked for (RFC 8332); those with SHA-1 are not.
_RSA = "ssh-rsa"
_SIGNATURES = {
    "ssh-ed25519": "ssh-ed25519",
    "ecdsa-sha2-nistp256": "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384": "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521": "ecdsa-sha2-nistp521",
    _RSA: "rsa-sha2-512,rsa-sha2-256",
}


@dataclass(frozen=True, slots=True)
class Server:
    """Where to log in, as whom."""

    host: str
    user: str
    port: int = DEFAULT_PORT

    @property
    def name(self) -> str:
        """As known_hosts files and people name it."""
        return host_name(self.host, self.port)


class Command:
    """A program that runs on a server; what it writes and reads are bytes, as dulwich takes them.

    `read`, `write` and `close` are those of a stream; `stderr` is what the program says beside it.
    """

    def __init__(self, server: Server, access: SshAccess, command: bytes, variables: dict[str, str]) -> None:
        """Connect, log in and start the program.

        Raises ContextError for an unknown server and one that takes none of the keys, DownloadError where
        trying again may help.
        """
        self._session = _Session(server, access)
        try:
            self._channel = self._session.start(command, variables)
        except BaseException:
            self._session.close()
            raise
        self.read = io.BufferedReader(_Stream(self._session, self._channel, 0)).read
        self.stderr = io.BufferedReader(_Stream(self._session, self._channel, 1))

    def write(self, data: bytes) -> int:
        """Send all of `data`; raises `OSError`."""
        if self._session.library.ssh_channel_write(self._channel, data, len(data)) != len(data):
            raise ConnectionError(None, self._session.failure())
        return len(data)

    def can_read(self) -> bool:
        """Tell whether reading would not wait."""
        return bool(self._session.library.ssh_channel_poll(self._channel, 0))

    def close(self) -> None:
        """Hang up; more than once does nothing."""
        self._session.close()


class _Session:
    def __init__(self, server: Server, access: SshAccess) -> None:
        self.library = load_library()
        self._server = server
        self._handle = self.library.ssh_new()
        if not self._handle:
            raise MemoryError("no memory for a session of ssh")
        try:
            self._connect(access)
            self._log_in(access)
        except BaseException:
            self.close()
            raise

    def start(self, command: bytes, variables: dict[str, str]) -> c_void_p:
        """Start a program; the server is free to take none of the variables."""
        library = self.library
        channel = c_void_p(library.ssh_channel_new(self._handle))
        if library.ssh_channel_open_session(channel) != OK:
            raise self._broken()
        for name, value in variables.items():
            library.ssh_channel_request_env(channel, name.encode(), value.encode())
        if library.ssh_channel_request_exec(channel, command) != OK:
            raise self._broken()
        return channel

    def failure(self) -> str:
        """Say what went wrong last."""
        said = self.library.ssh_get_error(self._handle) or b""
        return printable(said.decode("utf-8", "replace")) or "the connection is broken"

    def close(self) -> None:
        if self._handle:
            # Its channels go with it.
            self.library.ssh_disconnect(self._handle)
            self.library.ssh_free(self._handle)
            self._handle = None

    def _connect(self, access: SshAccess) -> None:
        server, known = self._server, access.known_hosts()
        expected = known.keys(server.name)
        # No file of the root that is built says anything.
        self._set(Option.PROCESS_CONFIG, byref(c_int(0)))
        for place in (Option.FOLDER, Option.KNOWN_HOSTS, Option.GLOBAL_KNOWN_HOSTS):
            self._set(place, _NOWHERE)
        self._set(Option.HOST, server.host.encode())
        self._set(Option.PORT, byref(c_uint(server.port)))
        self._set(Option.USER, server.user.encode())
        self._set(Option.TIMEOUT, byref(c_long(_CONNECT_SECONDS)))
        self._set(Option.HOST_KEYS, _preferred({key.kind for key in expected}).encode())
        try:
            connection = access.dial(server.host, server.port)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise DownloadError(f"{server.name} cannot be reached by ssh: {why}") from None
        connection.settimeout(None)
        self._set(Option.DESCRIPTOR, byref(c_int(connection.detach())))
        if self.library.ssh_connect(self._handle) != OK:
            raise self._broken()
        shown = self._host_key()
        if known.is_revoked(server.name, shown):
            raise ContextError(f"{server.name} shows the key {shown.fingerprint}, which is revoked")
        if shown not in expected:
            raise ContextError(_stranger(server.name, shown, is_known=bool(expected)))

    def _log_in(self, access: SshAccess) -> None:
        if not (access.private_key or access.agent):
            raise ContextError(
                f"{self._server.name} wants a key: give one in {PRIVATE_KEY}, or an agent by --ssh"
                " default=SOCKET or SSH_AUTH_SOCK"
            )
        if access.private_key and self._is_in(self._offer(access.private_key)):
            return
        if access.agent:
            self._set(Option.AGENT, access.agent.encode())
            if self._is_in(self.library.ssh_userauth_agent(self._handle, None)):
                return
        raise ContextError(
            f"{self._server.name} lets {self._server.user} in with none of the keys that were given"
        )

    def _offer(self, text: str) -> int:
        # As it comes out of a web page's form.
        lines = "\n".join(text.split("\r\n")).strip() + "\n"
        key = c_void_p()
        read = self.library.ssh_pki_import_privkey_base64(lines.encode(), None, None, None, byref(key))
        if read != OK:
            raise ContextError(f"{PRIVATE_KEY} is no private key that can be read without a passphrase")
        try:
            result: int = self.library.ssh_userauth_publickey(self._handle, None, key)
        finally:
            self.library.ssh_key_free(key)
        return result

    def _is_in(self, result: int) -> bool:
        if result == ERROR:
            raise self._broken()
        return result == _SUCCESS

    def _host_key(self) -> HostKey:
        key, text = c_void_p(), c_void_p()
        if self.library.ssh_get_server_publickey(self._handle, byref(key)) != OK:
            raise self._broken()
        try:
            if self.library.ssh_pki_export_pubkey_base64(key, byref(text)) != OK:
                raise self._broken()
            try:
                return HostKey(base64.b64decode(ctypes.string_at(text)))
            finally:
                self.library.ssh_string_free_char(text)
        finally:
            self.library.ssh_key_free(key)

    def _set(self, option: Option, value: Any) -> None:
        if self.library.ssh_options_set(self._handle, option, value) != OK:
            raise ContextError(f"{self._server.name} cannot be reached by ssh: {self.failure()}")

    def _broken(self) -> DownloadError:
        return DownloadError(f"{self._server.name} cannot be reached by ssh: {self.failure()}")


class _Stream(io.RawIOBase):
    """What a program writes: `kind` 0 to its output, 1 to the other one."""

    def __init__(self, session: _Session, channel: c_void_p, kind: int) -> None:
        self._session = session
        self._channel = channel
        self._kind = kind

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        library = self._session.library
        place = (ctypes.c_char * len(buffer)).from_buffer(buffer)
        # In slices, so that whoever wants the executor to end is heard.
        for _ in range(_SILENT_SECONDS * 1000 // _SLICE_MILLISECONDS):
            size: int = library.ssh_channel_read_timeout(
                self._channel, place, len(buffer), self._kind, _SLICE_MILLISECONDS
            )
            if size > 0 or (size == 0 and library.ssh_channel_poll(self._channel, self._kind) == EOF):
                return size
            if size not in (0, AGAIN):
                raise ConnectionError(None, self._session.failure())
        raise TimeoutError(None, f"nothing has come for {_SILENT_SECONDS} seconds")


def _preferred(kinds: set[str]) -> str:
    """Return the signatures that a server may prove itself by, those with a key that is known first."""
    order = sorted(_SIGNATURES, key=lambda kind: kind not in kinds)
    return ",".join(_SIGNATURES[kind] for kind in order)


def _stranger(name: str, shown: HostKey, *, is_known: bool) -> str:
    if is_known:
        return (
            f"{name} shows the key {shown.fingerprint} ({shown.kind}), which is none of those that are known"
            f" of it: either it has new ones, or somebody else answers; if you trust it, {KNOWN_HOSTS} is to"
            f' have the line "{shown.line(name)}"'
        )
    return (
        f"{name} is not known: it shows the key {shown.fingerprint} ({shown.kind}); if that is the right one,"
        f' put the line "{shown.line(name)}" into {KNOWN_HOSTS}'
    )
