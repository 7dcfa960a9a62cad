"""Artifacts, pushed to a plain-HTTP registry as Flux and ORAS push them."""

import hashlib
import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
FLUX_CONFIG = "application/vnd.cncf.flux.config.v1+json"
FLUX_CONTENT = "application/vnd.cncf.flux.content.v1.tar+gzip"


@dataclass(frozen=True, slots=True)
class Part:
    """A layer of an artifact."""

    content: bytes
    media_type: str = LAYER
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def file(title: str, content: bytes) -> Part:
    """Return a file as `oras push` makes a layer of it."""
    return Part(content, annotations={"org.opencontainers.image.title": title})


def folder(title: str, archive: bytes) -> Part:
    """Return a folder as `oras push` makes a layer of it: an archive whose names begin with the folder's."""
    annotations = {"org.opencontainers.image.title": title, "io.deis.oras.content.unpack": "true"}
    return Part(archive, f"{LAYER}+gzip", annotations)


def push_artifact(host: str, name: str, *parts: Part, config_type: str = EMPTY) -> str:
    """Push an artifact as NAME:1; returns its manifest's digest."""
    layers = [_push_blob(host, name, part) for part in parts]
    config = _push_blob(host, name, Part(b"{}", config_type))
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}
    ).encode()
    _send("PUT", f"http://{host}/v2/{name}/manifests/1", manifest, OCI_MANIFEST)
    return _digest(manifest)


def _push_blob(host: str, name: str, part: Part) -> dict[str, object]:
    digest = _digest(part.content)
    place = _send("POST", f"http://{host}/v2/{name}/blobs/uploads/", b"", "")
    _send("PUT", f"{place}&digest={digest}", part.content, "application/octet-stream")
    return {
        "mediaType": part.media_type,
        "digest": digest,
        "size": len(part.content),
        "annotations": dict(part.annotations),
    }


def _send(method: str, url: str, body: bytes, media_type: str) -> str:
    request = urllib.request.Request(url, body, {"Content-Type": media_type}, method=method)
    with urllib.request.urlopen(request) as answer:
        return str(answer.headers["Location"])


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
