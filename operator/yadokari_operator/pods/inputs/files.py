"""Files that ConfigMaps hold."""

import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class ConfigMapData:
    """Files of a ConfigMap: `text` by key, and `binary` in base64 by key."""

    text: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    binary: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def parse(cls, resource: Mapping[str, Any]) -> "ConfigMapData":
        """Read a ConfigMap as the API server gives it."""
        return cls(resource.get("data") or {}, resource.get("binaryData") or {})

    @classmethod
    def of(cls, key: str, content: bytes) -> "ConfigMapData":
        """Put one file into a ConfigMap: as text if it is any."""
        try:
            return cls(text={key: content.decode()})
        except UnicodeDecodeError:
            return cls(binary={key: base64.b64encode(content).decode()})

    @property
    def keys(self) -> frozenset[str]:
        """The names of all files."""
        return frozenset({*self.text, *self.binary})

    def only(self, keys: Collection[str]) -> "ConfigMapData":
        """Leave the other files out."""
        return ConfigMapData(
            {key: value for key, value in self.text.items() if key in keys},
            {key: value for key, value in self.binary.items() if key in keys},
        )

    @property
    def files(self) -> dict[str, bytes]:
        """The contents of all files, by key."""
        binary = {key: base64.b64decode(value) for key, value in self.binary.items()}
        return {key: value.encode() for key, value in self.text.items()} | binary


@dataclass(frozen=True, slots=True)
class ContextFiles:
    """Files of a ConfigMap, and the path of each in the context by its key."""

    data: ConfigMapData
    paths: Mapping[str, str]
