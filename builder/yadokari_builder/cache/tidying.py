"""Keeping a layout on a volume from growing without end."""

import os
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from yadokari_builder.cache.layout import LOCK, Layout
from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.manifest import Manifest
from yadokari_builder.oci.media_types import MANIFESTS
from yadokari_builder.rootfs.anchored import Anchor

_STAMP = ".tidied"
_DAY = 86400.0
_MOST_MANIFEST = 4 << 20


def tidy(layout: Layout, is_spent: Callable[[Manifest], bool]) -> None:
    """Once a day forget manifests that are spent or cannot be read, and delete blobs that none names.

    Blobs of the last day stay: somebody may be about to name them. So does all where something else is
    listed, an index for instance: whose blobs these are is not known. Raises OSError.
    """
    with layout.locked(LOCK):
        if not _is_due(layout):
            return
        layout.put_beside(_STAMP, b"")
        try:
            index = layout.index()
        except ImageInvalidError:
            return  # `enlist` makes it anew
        if not all(entry.media_type in MANIFESTS for entry in index.manifests):
            return
        listed = {entry.digest: entry for entry in index.manifests}
        named: set[Digest] = set()
        for entry in listed.values():
            manifest = _manifest(layout, entry)
            if manifest and not is_spent(manifest):
                named.update(
                    (entry.digest, manifest.config.digest, *(each.digest for each in manifest.layers))
                )
        if not named.issuperset(listed):
            kept = tuple(entry for entry in index.manifests if entry.digest in named)
            layout.put_index(replace(index, manifests=kept))
        _delete_but(named, layout)


def _is_due(layout: Layout) -> bool:
    try:
        return abs(time.time() - _stamped(layout)) > _DAY
    except FileNotFoundError:
        return True


def _stamped(layout: Layout) -> float:
    return os.lstat(os.path.join(layout.path, _STAMP)).st_mtime


def _manifest(layout: Layout, entry: Descriptor) -> Manifest | None:
    try:
        return Manifest.parse(layout.document(entry.digest, _MOST_MANIFEST), entry.media_type)
    except (FileNotFoundError, ImageInvalidError):
        return None


def _delete_but(named: Collection[Digest], layout: Layout) -> None:
    """Delete blobs that are older than a day, by the volume's own clock, but not these."""
    kept = {digest.hex for digest in named}
    oldest = _stamped(layout) - _DAY
    with ExitStack() as stack, suppress(FileNotFoundError, NotADirectoryError):
        folder = Anchor.open(Path(layout.path))
        stack.callback(folder.close)
        # Who else writes there may have made links that lead elsewhere.
        for name in ("blobs", "sha256"):
            folder = folder.enter(name)
            stack.callback(folder.close)
        for blob in os.scandir(folder.path):
            with suppress(OSError):
                if blob.name not in kept and blob.stat(follow_symlinks=False).st_mtime < oldest:
                    os.unlink(blob.path)
