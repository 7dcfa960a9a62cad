"""Names of caches, the same in every build that means the same, and in no other."""

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import astuple

from yadokari_builder.errors import ContextError
from yadokari_builder.oci.platform import Platform
from yadokari_builder.rootfs.xattrs import read_xattrs
from yadokari_builder.run.mounts.caches import CacheKey
from yadokari_builder.sources.tree import SourceTree, not_found

_VERSION = 1
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


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
    digest = hashlib.sha256()
    try:
        for field in _fields(tree, tree.resolve(path)):
            digest.update(b"%d:" % len(field) + field)
    except (FileNotFoundError, NotADirectoryError):
        raise not_found(tree, path) from None
    except OSError as error:
        raise ContextError(f"{path}: {error.strerror}") from error
    return f"sha256:{digest.hexdigest()}"


def _fields(tree: SourceTree, top: str) -> Iterator[bytes]:
    """Yield what files are, a fixed number of fields each."""
    ahead = [top]
    for path in ahead:
        status = tree.lstat(path)
        uid, gid = tree.owner or (status.st_uid, status.st_gid)
        yield os.fsencode(path.removeprefix(top))
        yield repr((status.st_mode, uid, gid, status.st_rdev, _attributes(tree, path, status))).encode()
        if stat.S_ISDIR(status.st_mode):
            ahead += [f"{path.rstrip('/')}/{name}" for name, _ in tree.entries(path)]
            yield b""
        elif stat.S_ISREG(status.st_mode):
            with closing(os.fdopen(os.open(tree.host(path), _FILE), "rb")) as file:
                yield hashlib.file_digest(file, "sha256").digest()
        else:
            yield os.fsencode(os.readlink(tree.host(path))) if stat.S_ISLNK(status.st_mode) else b""


def _attributes(tree: SourceTree, path: str, status: os.stat_result) -> list[tuple[str, bytes]]:
    return [] if stat.S_ISLNK(status.st_mode) else sorted(read_xattrs(tree.host(path)).items())
