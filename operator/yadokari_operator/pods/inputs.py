"""What a build is made of: the contents that its spec refers to, and a hash over all that makes the image."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from yadokari_api.fields import spelled_out
from yadokari_api.imagebuild import ImageBuild
from yadokari_api.keys import RUN_DIGITS
from yadokari_api.reasons import StateReason
from yadokari_api.spec import ImageBuildSpec


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
    def files(self) -> dict[str, bytes]:
        """The contents of all files, by key."""
        binary = {key: base64.b64decode(value) for key, value in self.binary.items()}
        return {key: value.encode() for key, value in self.text.items()} | binary


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a build is made of: the valid spec, the contents that it refers to, and a hash over both.

    `former_hash` is what the first version of the operator would have given as the hash.
    """

    spec: ImageBuildSpec
    dockerfile: bytes
    context: ConfigMapData | None
    hash: str
    former_hash: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Why the inputs cannot be known yet."""

    reason: StateReason
    message: str


def gather(spec: ImageBuildSpec, maps: Mapping[str, ConfigMapData]) -> Inputs | Missing:
    """Put together all that defines the image, from the ConfigMaps that exist."""
    dockerfile = _dockerfile(spec, maps)
    if isinstance(dockerfile, Missing):
        return dockerfile
    context = None
    if spec.context is not None:
        name = spec.context.config_map.name
        context = maps.get(name)
        if context is None:
            return Missing(
                StateReason.CONFIG_MAP_NOT_FOUND, f"ConfigMap {name} of spec.context does not exist"
            )
    return Inputs(
        spec, dockerfile, context, _hash(spec, dockerfile, context), _former_hash(spec, dockerfile, context)
    )


def run_of(build: ImageBuild, inputs: Inputs) -> str:
    """Name the build of these inputs that begins now; the same circumstances give the same name.

    The UID is part of it, so that nothing that an earlier ImageBuild of the name left is in the way.
    """
    text = json.dumps([build.uid, inputs.hash, build.rebuild, build.generation])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:RUN_DIGITS]


def _dockerfile(spec: ImageBuildSpec, maps: Mapping[str, ConfigMapData]) -> bytes | Missing:
    if spec.dockerfile_from is None:
        return (spec.dockerfile or "").encode()
    source = spec.dockerfile_from.config_map_key_ref
    found = maps.get(source.name)
    if found is None:
        message = f"ConfigMap {source.name} of spec.dockerfileFrom does not exist"
        return Missing(StateReason.CONFIG_MAP_NOT_FOUND, message)
    content = found.files.get(source.key)
    if content is None:
        # What its keys are called is not told: who may make ImageBuilds need not be one who may read it.
        message = f"ConfigMap {source.name} of spec.dockerfileFrom has no key {source.key}"
        return Missing(StateReason.CONFIG_MAP_NOT_FOUND, message)
    return content


def _hash(spec: ImageBuildSpec, dockerfile: bytes, context: ConfigMapData | None) -> str:
    """Hash what makes the image and where it goes: contents, not where they come from or how they are built.

    What is absent is left out, so that a field that comes later changes no hash. The operator's own settings
    do not count: an upgrade must not build every image of a cluster anew.
    """
    makes = {
        "dockerfile": _sha256(dockerfile),
        "context": None if context is None else {name: _sha256(it) for name, it in context.files.items()},
        "buildArgs": spec.build_args,
        "target": spec.target,
        "destinations": sorted(spelled_out(to.image) for to in spec.destinations),
        "executor": spec.executor and spec.executor.image,
    }
    present = {
        name: value for name, value in makes.items() if value or (name == "context" and value is not None)
    }
    return _sha256(json.dumps(present, sort_keys=True).encode())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _former_hash(spec: ImageBuildSpec, dockerfile: bytes, context: ConfigMapData | None) -> str:
    """Hash as the first version did: the whole spec of that version, and the contents."""
    others = {"dockerfile", "dockerfile_from", "context", "pod_retention", "history_limit"}
    fields = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=others)
    for destination in fields["destinations"]:
        if not destination.get("insecure"):
            destination.pop("insecure", None)
    files = None if context is None else [dict(context.text), dict(context.binary)]
    text = json.dumps(
        [fields, dockerfile.decode(errors="replace"), files], sort_keys=True, ensure_ascii=False
    )
    return _sha256(text.encode("utf-8", "surrogatepass"))
