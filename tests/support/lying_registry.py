"""A registry that gives away whatever a test puts into it, right or wrong."""

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def descriptor(data: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


@dataclass(slots=True)
class LyingRegistry:
    """What is asked for by `host`: documents and blobs by the last part of their paths, tag or digest.

    `asked` are the paths and headers of requests; with `wants_password` any will do.
    """

    host: str
    held: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    wants_password: bool = False

    def put(self, data: bytes, media_type: str, name: str = "") -> dict[str, Any]:
        """Hold data by its digest, and by a name; returns its descriptor."""
        said = descriptor(data, media_type)
        self.held[said["digest"]] = self.held[name or said["digest"]] = (data, media_type)
        return said

    def put_image(
        self,
        *layers: bytes,
        tag: str = "latest",
        config: Mapping[str, Any] | None = None,
        manifest: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Hold an image of archives; `config` and `manifest` are what they say beside, or instead."""
        blobs = [gzip.compress(layer, 1) for layer in layers]
        said = {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
            **(config or {}),
        }
        whole = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.put(json.dumps(said).encode(), CONFIG),
            "layers": [self.put(blob, LAYER) for blob in blobs],
            **(manifest or {}),
        }
        return self.put(json.dumps(whole).encode(), MANIFEST, tag)


@contextmanager
def lying_registry() -> Iterator[LyingRegistry]:
    """Serve on a loopback port over plain HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.asked.append((self.path, dict(self.headers)))
            name = self.path.rpartition("/")[2]
            if registry.wants_password and "Authorization" not in self.headers:
                self.send_response(401)
                self.send_header("WWW-Authenticate", "Basic realm=x")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if location := registry.redirects.get(name):
                self.send_response(307)
                self.send_header("Location", location)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            data, media_type = registry.held.get(name, (b"{}", "application/json"))
            self.send_response(200 if name in ("", *registry.held) else 404)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        registry = LyingRegistry(f"127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield registry
        finally:
            server.shutdown()
            thread.join()
