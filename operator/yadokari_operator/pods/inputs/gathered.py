"""What a build is made of: the contents that its spec refers to, and a hash over all that makes the image."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from yadokari_api.fields import BUILD_ARG_NAME, LONGEST_BUILD_ARG
from yadokari_api.imagebuild import ImageBuild
from yadokari_api.inputs.context import ConfigMapFiles, Context
from yadokari_api.inputs.dockerfile import DockerfileKey
from yadokari_api.keys import RUN_DIGITS
from yadokari_api.reasons import StateReason
from yadokari_api.spec import ImageBuildSpec
from yadokari_contract.arguments import ArgumentError, parse_arguments
from yadokari_operator.pods.inputs.artifact import Artifact
from yadokari_operator.pods.inputs.files import ConfigMapData, ContextFiles
from yadokari_operator.pods.inputs.hashes import Contents, former_hash, inputs_hash
from yadokari_operator.pods.inputs.missing import Missing


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a build is made of: the valid spec, the contents that it refers to, and a hash over both.

    `dockerfile` is `None` where it is in the context, `files` where the context is elsewhere or empty,
    `artifact` where it is none of Flux. `former_hash` is what the first version of the operator would have
    given as the hash.
    """

    spec: ImageBuildSpec
    dockerfile: bytes | None
    files: tuple[ContextFiles, ...] | None
    build_args: Mapping[str, str]
    hash: str
    former_hash: str | None
    artifact: Artifact | None = None


class _UnknownError(Exception):
    def __init__(self, reason: StateReason, message: str) -> None:
        super().__init__(message)
        self.missing = Missing(reason, message)


def gather(
    spec: ImageBuildSpec,
    maps: Mapping[str, ConfigMapData],
    artifact: Artifact | Missing | None = None,
) -> Inputs | Missing:
    """Put together all that defines the image, from the ConfigMaps that exist and the artifact of Flux."""
    if isinstance(artifact, Missing):
        return artifact
    try:
        contents = Contents(
            dockerfile=_dockerfile(spec, maps),
            files=None if spec.context is None else _files(spec.context, maps),
            build_args=_build_args(spec, maps),
            artifact=artifact.digest if artifact else None,
        )
        if spec.certificates is not None:
            _found(spec.certificates.config_map_ref.name, maps, "spec.certificates")
        _check_arguments(spec)
    except _UnknownError as error:
        return error.missing
    return Inputs(
        spec,
        contents.dockerfile,
        contents.files,
        contents.build_args,
        inputs_hash(spec, contents),
        former_hash(spec, contents),
        artifact,
    )


def run_of(build: ImageBuild, inputs: Inputs, number: int = 0) -> str:
    """Name the build of these inputs that begins now; the same circumstances give the same name.

    The UID is part of it, so that nothing that an earlier ImageBuild of the name left is in the way, and so
    is the `number` of a run that begins though nothing of its inputs has changed.
    """
    text = json.dumps(
        [build.uid, inputs.hash, build.rebuild, build.generation, *([number] if number else [])]
    )
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:RUN_DIGITS]


def _found(name: str, maps: Mapping[str, ConfigMapData], where: str) -> ConfigMapData:
    if name not in maps:
        message = f"ConfigMap {name} of {where} does not exist"
        raise _UnknownError(StateReason.CONFIG_MAP_NOT_FOUND, message)
    return maps[name]


def _lacks(name: str, key: str, where: str) -> _UnknownError:
    # What its keys are called is not told: who may make ImageBuilds need not be one who may read it.
    message = f"ConfigMap {name} of {where} has no key {key}"
    return _UnknownError(StateReason.CONFIG_MAP_NOT_FOUND, message)


def _dockerfile(spec: ImageBuildSpec, maps: Mapping[str, ConfigMapData]) -> bytes | None:
    if spec.dockerfile_from is None:
        return (spec.dockerfile or "").encode()
    source = spec.dockerfile_from.config_map_key_ref
    return None if source is None else _key(source, maps)


def _key(source: DockerfileKey, maps: Mapping[str, ConfigMapData]) -> bytes:
    where = "spec.dockerfileFrom"
    content = _found(source.name, maps, where).files.get(source.key)
    if content is None:
        raise _lacks(source.name, source.key, where)
    return content


def _files(context: Context, maps: Mapping[str, ConfigMapData]) -> tuple[ContextFiles, ...] | None:
    where = "spec.context"
    if context.config_map is not None:
        data = _found(context.config_map.name, maps, where)
        return (ContextFiles(data, {key: key for key in data.keys}),)
    if context.config_maps is None:
        return None
    files = tuple(_part(part, _found(part.name, maps, where)) for part in context.config_maps)
    _check_paths([path for it in files for path in it.paths.values()])
    return files


def _part(part: ConfigMapFiles, data: ConfigMapData) -> ContextFiles:
    names = {item.key: item.path for item in part.items} or {key: key for key in data.keys}
    for key in names.keys() - data.keys:
        raise _lacks(part.name, key, "spec.context")
    folder = f"{part.path.rstrip('/')}/" if part.path else ""
    return ContextFiles(data.only(names.keys()), {key: folder + path for key, path in names.items()})


def _check_paths(paths: list[str]) -> None:
    folders = {"/".join(path.split("/")[:n]) for path in paths for n in range(1, path.count("/") + 1)}
    for path in paths:
        if paths.count(path) > 1 or path in folders:
            message = f"spec.context has two files at {path}: put them into folders by path, or leave one out"
            raise _UnknownError(StateReason.INVALID_SPEC, message)


def _build_args(spec: ImageBuildSpec, maps: Mapping[str, ConfigMapData]) -> dict[str, str]:
    found: dict[str, str] = {}
    for source in spec.build_args_from:
        if source.config_map_ref is not None:
            data = _found(source.config_map_ref.name, maps, "spec.buildArgsFrom")
            found |= _args_of(source.config_map_ref.name, source.prefix or "", data)
    return found | spec.build_args


def _args_of(config_map: str, prefix: str, data: ConfigMapData) -> Iterator[tuple[str, str]]:
    for key in sorted(data.keys):
        name = prefix + key
        value = data.text.get(key)
        if re.fullmatch(BUILD_ARG_NAME, name, re.ASCII) is None:
            problem = "is no name of a build argument: set prefix, or rename the key"
        elif value is None:
            problem = "has a value that is no text"
        elif len(value) > LONGEST_BUILD_ARG:
            problem = f"has a value of more than {LONGEST_BUILD_ARG} characters"
        else:
            yield name, value
            continue
        message = f"ConfigMap {config_map} of spec.buildArgsFrom: {name} {problem}"
        raise _UnknownError(StateReason.INVALID_SPEC, message)


def _check_arguments(spec: ImageBuildSpec) -> None:
    """Have the executor's own reader look at `extraArgs`: values may be wrong where flags are right."""
    try:
        parse_arguments(spec.executor.extra_args if spec.executor else ())
    except ArgumentError as error:
        raise _UnknownError(StateReason.INVALID_SPEC, f"spec.executor.extraArgs: {error}") from None
