"""Storages with buckets, run on loopback ports."""

import base64
import hmac
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
import urllib3

from support.programs import azurite, program

# Beside the interpreter, as the development group of uv.lock has it.
_MOTO = Path(sys.executable).with_name("moto_server")
WHY_NO_MOTO = "" if _MOTO.exists() else "moto_server is not installed"
_START_SECONDS = 60.0

AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""azurite's documentation has them."""


@dataclass(frozen=True, slots=True)
class Moto:
    """moto's S3, IAM and STS, which from now on check every signature; `keys` are those of a user."""

    address: str
    keys: Mapping[str, str]


@contextmanager
def moto(objects: Mapping[str, bytes]) -> Iterator[Moto]:
    """Run moto with a bucket named `bucket` that holds `objects`."""
    # What is done before signatures are checked: a user, its right to everything, its key, the bucket.
    free = 4 + len(objects)
    with _running([str(_MOTO), "-p", "{port}"], INITIAL_NO_AUTH_ACTION_COUNT=str(free)) as port:
        address = f"http://127.0.0.1:{port}"
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": everything})
        _ask_iam(address, Action="CreateUser", UserName="user")
        _ask_iam(address, Action="PutUserPolicy", UserName="user", PolicyName="p", PolicyDocument=policy)
        made = _ask_iam(address, Action="CreateAccessKey", UserName="user")
        send("PUT", f"{address}/bucket")
        for key, content in objects.items():
            send("PUT", f"{address}/bucket/{key}", content, {"Content-Type": "application/octet-stream"})
        identity, secret = (
            re.search(f"<{name}>([^<]+)<", made)[1]  # type: ignore[index]
            for name in ("AccessKeyId", "SecretAccessKey")
        )
        yield Moto(address, {"AWS_ACCESS_KEY_ID": identity, "AWS_SECRET_ACCESS_KEY": secret})


@contextmanager
def trusting_moto() -> Iterator[str]:
    """Run moto that lets anybody in, as those who have no keys yet; yields the address."""
    with _running([str(_MOTO), "-p", "{port}"]) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def google(objects: Mapping[str, bytes]) -> Iterator[str]:
    """Serve a bucket named `bucket` as Google does; yields the address.

    Skips where tests/setup has not compiled fake-gcs-server.
    """
    server = program("fake-gcs-server") or pytest.skip("fake-gcs-server is not compiled: tests/setup servers")
    places = {quote(key, safe=""): content for key, content in objects.items()}
    options = "-backend memory -scheme http -host 127.0.0.1 -port {port} -log-level error"
    with _running([server, *options.split()]) as port:
        address = f"http://127.0.0.1:{port}"
        json_type = {"Content-Type": "application/json"}
        send("POST", f"{address}/storage/v1/b?project=p", b'{"name": "bucket"}', json_type)
        for place, content in places.items():
            url = f"{address}/upload/storage/v1/b/bucket/o?uploadType=media&name={place}"
            send("POST", url, content, {"Content-Type": "application/octet-stream"})
        yield address


@contextmanager
def azure(objects: Mapping[str, bytes], folder: Path) -> Iterator[str]:
    """Serve a container named `box` as Azure does, for the key that everybody knows; yields the address.

    Skips where tests/setup has not installed azurite.
    """
    command = azurite() or pytest.skip("azurite is not installed: tests/setup servers")
    options = "--silent --disableTelemetry --location {folder} --blobPort {{port}}"
    with _running([*command, *options.format(folder=folder).split()]) as port:
        address = f"http://127.0.0.1:{port}"
        _send_blob(address, "/box", "restype=container", b"")
        for key, content in objects.items():
            _send_blob(address, f"/box/{quote(key)}", "", content)
        yield address


def _send_blob(address: str, path: str, query: str, content: bytes) -> None:
    headers = {
        "Host": f"{AZURE_ACCOUNT}.blob.core.windows.net",
        "Content-Type": "application/octet-stream",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-date": formatdate(usegmt=True),
        "x-ms-version": "2021-08-06",
    }
    own = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()) if name.startswith("x-ms"))
    length = len(content) or ""
    resource = f"/{AZURE_ACCOUNT}{path}" + (f"\n{query.replace('=', ':')}" if query else "")
    text = f"PUT\n\n\n{length}\n\n{headers['Content-Type']}\n\n\n\n\n\n\n{own}{resource}"
    signature = base64.b64encode(hmac.digest(base64.b64decode(AZURE_KEY), text.encode(), "sha256")).decode()
    headers["Authorization"] = f"SharedKey {AZURE_ACCOUNT}:{signature}"
    send("PUT", f"{address}{path}{'?' if query else ''}{query}", content, headers)


class Redirected(urllib3.PoolManager):
    """Reaches a server on the loopback in place of every other one, under the other's name."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address

    def urlopen(self, method: str, url: str, *arguments: Any, **settings: Any) -> urllib3.BaseHTTPResponse:
        parts = urlsplit(url)
        headers = {**(settings.pop("headers", None) or {}), "Host": parts.netloc}
        there = f"{self._address}{url.partition(parts.netloc)[2]}"
        return super().urlopen(method, there, *arguments, headers=headers, **settings)


def send(method: str, url: str, body: bytes = b"", headers: Mapping[str, str] = MappingProxyType({})) -> str:
    """Send a request; returns the answer."""
    request = urllib.request.Request(url, body or None, dict(headers), method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return str(answer.read().decode())


def _ask_iam(address: str, **form: str) -> str:
    scope = "Credential=x/20240101/us-east-1/iam/aws4_request"
    return send(
        "POST",
        f"{address}/",
        urlencode({"Version": "2010-05-08", **form}).encode(),
        {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=x"},
    )


@contextmanager
def _running(command: list[str], **environment: str) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    given = [part.format(port=port) for part in command]
    inherited = {"PATH": os.environ["PATH"], "HOME": str(Path.home())}
    with subprocess.Popen(
        given, env=inherited | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _await(port, process)
            yield port
        finally:
            process.terminate()


def _await(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the storage does not answer")
