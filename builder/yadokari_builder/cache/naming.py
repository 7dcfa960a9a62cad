"""Names of caches, the same in every build that means the same, and in no other."""

import hashlib
import json
from dataclasses import astuple

from yadokari_builder.cache.steps.content import Hashing
from yadokari_builder.errors import ContextError
from yadokari_builder.oci.platform import Platform
from yadokari_builder.plan.steps import LocalFiles
from yadokari_builder.run.mounts.caches import CacheKey
from yadokari_builder.sources.tree import SourceTree

_VERSION = 1


def cache_name(key: CacheKey, scope: str, platform: Platform) -> str:
    """Name a cache for a file or a tag: it begins with what people know it by, and ends with a digest.

    Whoever chooses the key cannot have that of another scope. Nodes of other platforms have other caches, as
    they would have if each kept its own.
    """
    # ASCII, whatever the parts: what is no UTF-8 is escaped.
    framed = json.dumps([_VERSION, scope, str(platform), *astuple(key)])
    digest = hashlib.sha256(framed.encode("ascii")).hexdigest()
    return "-".join(filter(None, ("mount", key.readable, digest)))


def files_name(tree: SourceTree, path: str) -> str:
    """Name the files at an in-tree path by what they are: names, kinds, modes, owners and content.

    Raises `ContextError` where there are none.
    """
    try:
        with Hashing() as hashing:
            return f"sha256:{hashing.digest(tree, LocalFiles(path, is_literal=True), None)}"
    except OSError as error:
        raise ContextError(f"{path}: {error.strerror}") from error
