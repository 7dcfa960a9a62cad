"""Image indexes in a registry over plain HTTP."""

import json
import urllib.request
from collections.abc import Iterable, Mapping

from yadokari_builder.oci.media_types import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST


def put_index(registry: str, image: str, tag: str, platforms: Iterable[Mapping[str, str]]) -> str:
    """Put an index beside an image (NAME:TAG), with that one for each platform; returns its digest."""
    repository, _, name = image.rpartition(":")
    manifests = f"http://{registry}/v2/{repository}/manifests"
    accept = {"Accept": f"{OCI_MANIFEST}, {DOCKER_MANIFEST}"}
    with urllib.request.urlopen(urllib.request.Request(f"{manifests}/{name}", headers=accept)) as answer:
        digest, kind, data = (
            answer.headers["Docker-Content-Digest"],
            answer.headers["Content-Type"],
            answer.read(),
        )
    entry = {"mediaType": kind, "digest": digest, "size": len(data)}
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [entry | {"platform": platform} for platform in platforms],
    }
    request = urllib.request.Request(
        f"{manifests}/{tag}", json.dumps(index).encode(), {"Content-Type": OCI_INDEX}, method="PUT"
    )
    with urllib.request.urlopen(request) as answer:
        return str(answer.headers["Docker-Content-Digest"])
