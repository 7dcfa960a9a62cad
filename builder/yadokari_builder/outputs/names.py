"""Small files that say what came out: its digest, and its names with it."""

import json
import os
from collections.abc import Iterable
from dataclasses import replace

from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.reference import Reference

IMAGES = "images"
"""The file in the folder of BUILDER_OUTPUT."""


def with_digest(destinations: Iterable[Reference], digest: Digest) -> str:
    """Write NAME@DIGEST of each destination, a line each."""
    return "".join(f"{destination.repository}@{digest}\n" for destination in destinations)


def with_tag_and_digest(destinations: Iterable[Reference], digest: Digest) -> str:
    """Write NAME:TAG@DIGEST of each destination, a line each."""
    return "".join(f"{replace(destination, digest=digest)}\n" for destination in destinations)


def as_json(pushed: Iterable[Reference], digest: Digest) -> str:
    """Write each image that was pushed as a JSON object in a line, as Google Cloud Build reads them."""
    return "".join(json.dumps({"name": str(name), "digest": str(digest)}) + "\n" for name in pushed)


def write_text(path: str, text: str) -> None:
    """Write a text in place: the file may be one that is mounted, such as /dev/termination-log."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
