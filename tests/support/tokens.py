"""A token server as registries name it in their bearer challenges, signing for Debian's docker-registry."""

import base64
import contextlib
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What a client asked the server for, and how it showed who it is."""

    method: str
    parameters: Mapping[str, list[str]]
    authorization: str | None


@dataclass(slots=True)
class TokenServer:
    """Hands out tokens; passwords and identity tokens map to the repositories that may be pushed to.

    Anybody may pull. `life` is how long tokens last, in seconds.
    """

    folder: Path
    passwords: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    identities: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    life: int = 300
    service: str = "tests' registry"
    issuer: str = "tests' issuer"
    realm: str = ""
    requests: list[TokenRequest] = field(default_factory=list)

    @property
    def certificate(self) -> Path:
        """The certificate that the registry checks tokens by."""
        return self.folder / "token.pem"

    def answer(self, request: TokenRequest) -> tuple[int, dict[str, Any]]:
        """Return status and JSON for a request."""
        self.requests.append(request)
        allowed = self._allowed(request)
        if allowed is None:
            return 401, {"errors": [{"code": "UNAUTHORIZED", "message": "who are you?"}]}
        scopes = " ".join(request.parameters.get("scope", [])).split()
        token = self._sign([_grant(scope, allowed) for scope in scopes])
        name = "access_token" if request.method == "POST" else "token"
        return 200, {name: token, "expires_in": self.life}

    def _allowed(self, request: TokenRequest) -> tuple[str, ...] | None:
        if request.method == "POST":
            return self.identities.get(request.parameters["refresh_token"][0])
        if request.authorization is None:
            return ()
        user, _, password = base64.b64decode(request.authorization.split()[1]).decode().partition(":")
        return self.passwords.get((user, password))

    def _sign(self, access: list[dict[str, Any]]) -> str:
        now = int(time.time())
        der = ssl.PEM_cert_to_DER_cert(self.certificate.read_text())
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        claims = {
            "iss": self.issuer,
            "aud": self.service,
            "sub": "",
            "exp": now + self.life,
            "nbf": now - 5,
            "iat": now,
            "jti": str(len(self.requests)),
            "access": access,
        }
        text = ".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))
        signature = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", str(self.folder / "token.key")],
            input=text.encode(),
            capture_output=True,
            check=True,
        ).stdout
        return f"{text}.{_base64url(signature)}"


def make_token_keys(folder: Path) -> Path:
    """Make the key and certificate that tokens are signed with, for `TokenServer.folder`."""
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tokens"]
    files = ["-keyout", str(folder / "token.key"), "-out", str(folder / "token.pem")]
    subprocess.run([*new, *files], check=True, capture_output=True)
    return folder


@contextlib.contextmanager
def running_token_server(server: TokenServer) -> Iterator[TokenServer]:
    """Run a token server over plain HTTP on a loopback port and set its `realm`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(parse_qs(urlsplit(self.path).query))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(parse_qs(body.decode()))

        def log_message(self, *_: object) -> None:
            return

        def _answer(self, parameters: dict[str, list[str]]) -> None:
            request = TokenRequest(self.command, parameters, self.headers.get("Authorization"))
            status, data = server.answer(request)
            body = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as port:
        server.realm = f"http://127.0.0.1:{port}/token"
        yield server


@contextlib.contextmanager
def serving(handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve HTTP on a loopback port, which is yielded; by TLS where there is a context."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        if context:
            http.socket = context.wrap_socket(http.socket, server_side=True)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield http.server_address[1]
        finally:
            http.shutdown()
            thread.join()


def _grant(scope: str, pushable: tuple[str, ...]) -> dict[str, Any]:
    kind, name, actions = scope.split(":")
    may = {"pull", "push"} if name in pushable else {"pull"}
    return {"type": kind, "name": name, "actions": [action for action in actions.split(",") if action in may]}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
