"""Git repositories, made and served by git itself."""

import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

WHY_NO_GIT = "" if shutil.which("git") else "git is not installed"

_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@b",
    "GIT_AUTHOR_DATE": "1000000000 +0000",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@b",
    "GIT_COMMITTER_DATE": "1000000000 +0000",
}


def git(folder: Path, *arguments: str, stdin: int | None = None) -> str:
    """Run git in a folder, with the same author and time always; returns what it prints."""
    command = ["git", "-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main", *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env=_ENVIRONMENT,
        check=True,
        stdin=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout.strip()


def make_repository(folder: Path) -> Path:
    """Make a folder and what is in it a repository with one commit on `main`."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


@contextmanager
def daemon(folder: Path) -> Iterator[str]:
    """Serve the repositories in a folder by git's own protocol; yields the address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        "git",
        "daemon",
        "--listen=127.0.0.1",
        f"--port={port}",
        "--export-all",
        f"--base-path={folder}",
    ]
    with subprocess.Popen([*command, str(folder)], env=_ENVIRONMENT, stderr=subprocess.DEVNULL) as process:
        try:
            _await(port)
            yield f"git://127.0.0.1:{port}"
        finally:
            process.terminate()


@contextmanager
def smart_http(
    folder: Path,
    *,
    password: str = "",
    context: ssl.SSLContext | None = None,
    address: str = "127.0.0.1",
) -> Iterator[str]:
    """Serve the repositories in a folder by HTTP, by git http-backend; yields where.

    With a password the user `user` must give it; with a context it is served by TLS.
    """
    handler = partial(_Backend, folder, password)
    with ThreadingHTTPServer((address, 0), handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http{'s' if context else ''}://{address}:{server.server_port}"
        server.shutdown()
        thread.join()


class _Backend(BaseHTTPRequestHandler):
    def __init__(self, folder: Path, password: str, *arguments: object) -> None:
        self._folder = folder
        self._password = password
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Hand a request over as CGI has it (RFC 3875)."""
        if self._password and self.headers.get("Authorization") != f"Basic {self._password}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        variables = {
            "GIT_PROJECT_ROOT": str(self._folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", "http-backend"],
            input=body, env=_ENVIRONMENT | variables, capture_output=True, check=True,
        )  # fmt: skip
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _await(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("git daemon does not answer")
