"""A build context in ConfigMaps: what fits, and how it is spread."""

import base64
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_CONFIG_MAPS = 16
MOST_FILES = 64
"""Of one ConfigMap, in one entry of `context.configMaps`."""
MOST_BYTES = 700 * 1024
"""Of one ConfigMap: Kubernetes takes 1 MiB, and what is no text grows by a third on the way."""

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_NOT_IN_KEYS = re.compile(r"[^-._a-zA-Z0-9]")
_LONGEST_PATH = 1024
_LONGEST_NAME = 230


class UnfitError(Exception):
    """A folder does not fit into ConfigMaps, and why."""


@dataclass(slots=True)
class _ConfigMap:
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    size: int = 0

    def takes(self, content: bytes) -> bool:
        return len(self.files) < MOST_FILES and self.size + len(content) <= MOST_BYTES

    def add(self, path: str, content: bytes) -> None:
        plain = _NOT_IN_KEYS.sub("_", path)[-200:]
        key = plain if _KEY.fullmatch(path) and path not in (".", "..") else f"{len(self.files)}.{plain}"
        while key in self.files:
            key = f"{len(self.files)}.{key}"
        self.files[key] = (path, content)
        self.size += len(content)


@dataclass(frozen=True, slots=True)
class Spread:
    """ConfigMaps with a context, and `context` of the ImageBuild that reads them."""

    config_maps: Sequence[Mapping[str, Any]]
    context: Mapping[str, Any]


def spread(archive: tarfile.TarFile, name: str) -> Spread:
    """Spread a context over ConfigMaps of the ImageBuild `name`, none for an empty one; raises UnfitError."""
    maps = [_ConfigMap()]
    for path, content in _files(archive):
        if not maps[-1].takes(content):
            maps.append(_ConfigMap())
        if len(maps) > MOST_CONFIG_MAPS or not maps[-1].takes(content):
            raise UnfitError(
                f"it has more than {MOST_CONFIG_MAPS} ConfigMaps of {MOST_FILES} files and"
                f" {MOST_BYTES >> 10} KiB hold"
            )
        maps[-1].add(path, content)
    if not maps[0].files:
        return Spread((), {})
    first = f"{name[:_LONGEST_NAME]}-context"
    names = [first, *(f"{first}-{number}" for number in range(2, len(maps) + 1))]
    return Spread(
        [_config_map(one, its) for one, its in zip(names, maps, strict=True)],
        {"configMaps": [{"name": one, "items": _items(its)} for one, its in zip(names, maps, strict=True)]},
    )


def _files(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    """Yield the files; raises UnfitError for what ConfigMaps do not keep as it is."""
    empty: set[str] = set()
    for member in archive:
        empty.discard(member.name.rpartition("/")[0])
        if member.isdir():
            empty.add(member.name)
            continue
        if not member.isfile():
            raise UnfitError(f"{member.name} is a link, and ConfigMaps hold files")
        if member.mode & 0o111:
            raise UnfitError(f"{member.name} is executable, which files of ConfigMaps are not")
        if member.size > MOST_BYTES:
            raise UnfitError(f"{member.name} has more than {MOST_BYTES >> 10} KiB")
        if len(member.name) > _LONGEST_PATH or not member.name.isprintable():
            raise UnfitError(f"{member.name!r} is no path that ConfigMaps have")
        content = archive.extractfile(member)
        yield member.name, content.read() if content else b""
    if empty:
        raise UnfitError(f"{min(empty)} is an empty folder, and ConfigMaps hold files")


def _items(config_map: _ConfigMap) -> list[dict[str, str]]:
    return [{"key": key, "path": path} for key, (path, _) in config_map.files.items()]


def _config_map(name: str, config_map: _ConfigMap) -> dict[str, Any]:
    data, binary = {}, {}
    for key, (_, content) in config_map.files.items():
        try:
            data[key] = content.decode()
        except UnicodeDecodeError:
            binary[key] = base64.b64encode(content).decode()
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        **({"data": data} if data else {}),
        **({"binaryData": binary} if binary else {}),
    }
