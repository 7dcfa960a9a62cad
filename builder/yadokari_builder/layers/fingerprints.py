"""Checksums of files as layers hold them: what tells a change from a mere touch.

Where a file's change time is new and everything else about it the same, its content or attributes were
replaced and the old time set back, or nothing was changed at all (`chown` to the owner that it has, a hard
link gone).
"""

import os
from array import array
from collections.abc import Callable, Collection, Mapping

from isal import isal_zlib

from yadokari_builder.rootfs.xattrs import read_xattrs

_CHUNK = 1 << 20
crc32 = isal_zlib.crc32


def checksum(content: int, xattrs: Mapping[str, bytes]) -> int:
    """Return the checksum of a file from the CRC-32 of its content and from its extended attributes."""
    for name in sorted(xattrs):
        content = crc32(b"%b\0%d\0%b" % (os.fsencode(name), len(xattrs[name]), xattrs[name]), content)
    return content


def checksum_of_file(path: str) -> int:
    """Return the checksum of a regular file; raises `OSError`."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        content = 0
        while data := os.read(file, _CHUNK):
            content = crc32(data, content)
        return checksum(content, read_xattrs(file))
    finally:
        os.close(file)


class Fingerprints:
    """Checksums of the files of a root by their in-root paths, as the newest layer that has them holds them.

    `below` are those of the layers that were there before. A file takes 12 bytes. Added to by one thread.
    `learn` adds what is known, once, when it is looked for first.
    """

    def __init__(
        self,
        below: "Fingerprints | None" = None,
        learn: "Callable[[Fingerprints], None] | None" = None,
    ) -> None:
        self._below = below
        self._learn = learn
        # Paths by their hashes, which are keyed at random: nobody can make two of them meet.
        self._paths = array("q")
        self._checksums = array("I")
        # Other names of files, and the other way round; None where nothing is known.
        self._links: dict[int, int | None] = {}
        self._names: dict[int, list[int]] = {}

    def add(self, path: str, checksum: int) -> None:
        """Note what a file holds."""
        self._paths.append(hash(path))
        self._checksums.append(checksum)
        if self._links:
            self._links.pop(hash(path), None)
            self._part_names(hash(path))

    def forget(self, path: str) -> None:
        """Note that a path is another file, of which nothing is known."""
        self._links[hash(path)] = None
        self._part_names(hash(path))

    def link(self, path: str, target: str) -> None:
        """Note that a path is another name of a file."""
        self._links[hash(path)] = hash(target)
        self._names.setdefault(hash(target), []).append(hash(path))

    def _part_names(self, path: int) -> None:
        for name in self._names.pop(path, ()):
            if self._links.get(name) == path:
                self._links[name] = None

    def find(self, paths: Collection[str]) -> dict[str, int]:
        """Return the checksums of those of the files that are known."""
        found: dict[str, int] = {}
        # What each path is a name of, as far as is known.
        targets = {path: hash(path) for path in paths}
        layers: Fingerprints | None = self
        while layers and targets:
            if learn := layers._learn:
                layers._learn = None
                learn(layers)
            named = {path: layers._links.get(target, target) for path, target in targets.items()}
            targets = {path: target for path, target in named.items() if target is not None}
            held = layers._find(set(targets.values()))
            found |= {path: held[target] for path, target in targets.items() if target in held}
            targets = {path: target for path, target in targets.items() if path not in found}
            layers = layers._below
        return found

    def _find(self, wanted: set[int]) -> dict[int, int]:
        pairs = zip(self._paths, self._checksums, strict=True)
        return {path: checksum for path, checksum in pairs if path in wanted}
