"""An API server and its etcd alone, as real ones: no node, no controller, no admission of accounts.

For what takes many operators, builds and troubles: it is up in some seconds, can be stopped and started, and
takes nothing from the throwaway cluster. What a kubelet does is done by `support.pretended`.
"""

import base64
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from ssl import SSLContext, create_default_context
from typing import Any

import pytest
from kubernetes import client

from support.cluster import SCRIPTS, Cluster, skip_where_it_cannot_run
from yadokari_operator.cluster.api import Api

_TOKEN = "administrator"
_PATIENCE = 60
_STORED_AS = {"ImageBuild": "yadokari.dev/imagebuilds", "ConfigMap": "configmaps", "Pod": "pods"}


class ControlPlane:
    """A running API server; `stop` and `start` it as needed."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._etcd_port, self._peer_port, self.port = _free_ports(3)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "tokens").write_text(f"{_TOKEN},admin,1,system:masters\n")
        openssl = ["openssl", "genpkey", "-algorithm", "RSA", "-out", str(folder / "accounts.key")]
        subprocess.run(openssl, check=True, capture_output=True)
        self.kubeconfig = self.configured(f"https://127.0.0.1:{self.port}", folder / "kubeconfig")
        self._run(
            "etcd",
            "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync", "--logger", "zap", "--log-level", "warn",
            "--listen-client-urls", self._etcd, "--advertise-client-urls", self._etcd,
            "--listen-peer-urls", f"http://127.0.0.1:{self._peer_port}",
        )  # fmt: skip
        self.start()

    @property
    def cluster(self) -> Cluster:
        """How to reach it as its administrator."""
        return Cluster(self.kubeconfig, "", self._programs, "", "")

    @property
    def api(self) -> Api:
        """It, for its administrator."""
        settings = client.Configuration()
        settings.host, settings.ssl_ca_cert = f"https://127.0.0.1:{self.port}", str(self._certificate)
        settings.api_key = {"BearerToken": f"Bearer {_TOKEN}"}
        return Api.of(settings)

    def configured(self, server: str, file: Path, token: str = _TOKEN) -> Path:
        """Write a kubeconfig for it, by way of a server before it perhaps."""
        cluster = {"server": server, "certificate-authority": str(self._certificate)}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": {"token": token}}],
        }
        file.write_text(json.dumps(content))
        return file

    def start(self) -> None:
        """Start the API server, and wait until it is ready."""
        key = str(self._folder / "accounts.key")
        self._run(
            "kube-apiserver",
            "--etcd-servers", self._etcd, "--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1",
            "--secure-port", str(self.port), "--service-cluster-ip-range", "10.97.0.0/24",
            "--cert-dir", str(self._folder / "certificates"), "--authorization-mode", "RBAC",
            "--token-auth-file", str(self._folder / "tokens"),
            "--disable-admission-plugins", "ServiceAccount",
            "--service-account-issuer", "https://accounts.test", "--service-account-key-file", key,
            "--service-account-signing-key-file", key, "--allow-privileged", "--profiling=false",
            # Its own bookkeeping is of no use here and costs a second.
            "--endpoint-reconciler-type", "none",
        )  # fmt: skip
        end = time.monotonic() + _PATIENCE
        while not self._is_ready():
            assert time.monotonic() < end, (self._folder / "kube-apiserver.log").read_text()[-2000:]
            time.sleep(0.1)

    def stop(self, name: str = "kube-apiserver") -> None:
        """Kill it: it may take a minute to end by itself."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def close(self) -> None:
        """End all of it."""
        for name in list(self._running):
            self.stop(name)

    def store(self, resource: Mapping[str, Any]) -> None:
        """Put a resource where the API server keeps them, as it stands: with its status, UID and times."""
        kind, named = _STORED_AS[resource["kind"]], resource["metadata"]
        key = f"/registry/{kind}/{named['namespace']}/{named['name']}"
        put = {"key": _base64(key), "value": _base64(json.dumps(resource))}
        request = urllib.request.Request(f"{self._etcd}/v3/kv/put", json.dumps(put).encode())
        urllib.request.urlopen(request, timeout=_PATIENCE).close()

    @property
    def trust(self) -> SSLContext:
        """What a client of it trusts."""
        return create_default_context(cafile=str(self._certificate))

    @property
    def _certificate(self) -> Path:
        return self._folder / "certificates/apiserver.crt"

    @property
    def _etcd(self) -> str:
        return f"http://127.0.0.1:{self._etcd_port}"

    def _run(self, name: str, *arguments: str) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [self._programs / name, *arguments],
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"], "HOME": str(self._folder)},
            )

    def _is_ready(self) -> bool:
        # Not there before it has made one.
        if not self._certificate.exists():
            return False
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}/readyz")
        request.add_header("Authorization", f"Bearer {_TOKEN}")
        try:
            with urllib.request.urlopen(request, timeout=5, context=self.trust) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def running_control_plane(programs: Path) -> Iterator[ControlPlane]:
    """Run one, on state in memory where there is enough of it."""
    free = shutil.disk_usage("/dev/shm").free > 2**31
    with tempfile.TemporaryDirectory(dir="/dev/shm" if free else None, ignore_cleanup_errors=True) as folder:
        plane = ControlPlane(programs, Path(folder))
        try:
            yield plane
        finally:
            plane.close()


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """An API server of the tests' own."""
    skip_where_it_cannot_run()
    built = subprocess.run([SCRIPTS / "build"], stdout=subprocess.PIPE, text=True, check=True).stdout
    with running_control_plane(Path(built.strip())) as plane:
        yield plane


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [it.getsockname()[1] for it in sockets]
    for it in sockets:
        it.close()
    return ports
