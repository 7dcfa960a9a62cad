"""How a build's arguments want layers packed and times written, and for which platform."""

import os
import platform as machine
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from yadokari_builder.build.layering.packing import Packing
from yadokari_builder.dockerfile.epoch import parse_epoch
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.predefined import SOURCE_DATE_EPOCH
from yadokari_builder.errors import UsageError
from yadokari_builder.layers.compression import Compression, CompressionKind
from yadokari_builder.oci.platform import Platform
from yadokari_builder.plan.scope import Platforms
from yadokari_builder.rootfs.paths import normalise
from yadokari_contract.spec import COMPRESSION_LEVELS, DEFAULT_LEVEL, BuildSpec

_VAR_RUN = "/var/run"
_BUILD_ARG = re.compile(r"YADOKARI_BUILD_ARG_(?P<number>[0-9]{1,4})_(?P<name>.*)", re.DOTALL)
_ARG_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.-]*")
CACHE_FOLDER = "oci:"
"""What stands before a cache that is a folder, and no repository."""

_PLACES = (
    "tar_path",
    "oci_layout_path",
    "digest_file",
    "image_name_with_digest_file",
    "image_name_tag_with_digest_file",
    "result_file",
    "builder_output",
    "cache_mounts_dir",
    "context_digests_file",
)
"""What the executor writes beside the root: fields of `BuildSpec`."""


def read_packing(spec: BuildSpec, epoch: int | None, folder: Path) -> Packing:
    """Return how layers are packed; raises `UsageError` for what cannot be."""
    if spec.image_format == "docker" and (unknown := needs_oci(spec)):
        raise UsageError(f"--image-format docker has no {unknown}: give --image-format oci")
    paths = [*spec.ignore_paths, *([_VAR_RUN] if spec.ignore_var_run else [])]
    ignored = frozenset(normalise(posixpath.join("/", path)) for path in paths)
    if "/" in ignored:
        raise UsageError("--ignore-path is /: nothing would be left to put into a layer")
    return Packing(folder, _compression(spec), epoch, ignored)


def needs_oci(spec: BuildSpec) -> str:
    """Name what Docker's kind of image does not know and the arguments ask for; empty for nothing."""
    if spec.annotations:
        return "annotations"
    return "layers in zstd" if spec.compression == CompressionKind.ZSTD.value else ""


def with_source_date(spec: BuildSpec, time: int | None) -> BuildSpec:
    """Take the time of the context for SOURCE_DATE_EPOCH, as `--build-arg` would, where that is asked for.

    A build argument of that name counts before it. Raises `UsageError` where no time is known.
    """
    if not spec.source_date:
        return spec
    if time is None:
        raise UsageError(
            f"--source-date: the context {spec.context} has no time: only a commit of git has one"
        )
    return replace(spec, build_args=MappingProxyType({SOURCE_DATE_EPOCH: str(time), **spec.build_args}))


def read_epoch(spec: BuildSpec, environment: Mapping[str, str], of_dockerfile: int | None) -> int | None:
    """Return the latest time that anything in the image may have, in seconds since the epoch; None for now.

    SOURCE_DATE_EPOCH is a build argument, in the environment or, if in neither, in the Dockerfile;
    --reproducible alone means 0. Raises `UsageError` where it is no number.
    """
    given = spec.build_args.get(SOURCE_DATE_EPOCH, _args_of_variables(environment).get(SOURCE_DATE_EPOCH))
    text = environment.get(SOURCE_DATE_EPOCH, "") if given is None else given
    if text:
        try:
            return parse_epoch(text)
        except LanguageError as error:
            raise UsageError(error.message) from None
    return 0 if of_dockerfile is None and spec.reproducible else of_dockerfile


def _compression(spec: BuildSpec) -> Compression:
    kind = CompressionKind(spec.compression)
    if spec.compression_level == DEFAULT_LEVEL:
        return Compression(kind)
    levels = COMPRESSION_LEVELS[spec.compression]
    if spec.compression_level not in levels:
        raise UsageError(
            f"--compression-level is {spec.compression_level}: for {kind.value} it can be"
            f" {levels[0]} to {levels[-1]}, or {DEFAULT_LEVEL} for what suits building"
        )
    return Compression(kind, spec.compression_level)


def own_platform() -> Platform:
    """Return the platform that the executor runs on."""
    return Platform("linux", machine.machine()).normalized()


def read_platforms(spec: BuildSpec) -> Platforms:
    """Tell the machine's platform and the image's; raises `UsageError`."""
    own = own_platform()
    if not spec.custom_platform:
        return Platforms(own, own)
    target = Platform.parse(spec.custom_platform, default=own)
    if target.os != own.os:
        raise UsageError(f"--custom-platform is {target}: images are built for {own.os} alone")
    return Platforms(own, target)


def read_build_args(spec: BuildSpec, environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return the build arguments; one without a value is the environment's, as for docker build.

    Arguments count more than variables YADOKARI_BUILD_ARG_N_NAME, of which the highest N does. Raises
    `UsageError` for a name that cannot be.
    """
    args = {
        name: environment.get(name) if value is None else value for name, value in spec.build_args.items()
    }
    return _args_of_variables(environment) | {
        name: value for name, value in args.items() if value is not None
    }


def _args_of_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Read what a pod takes from Secrets as a whole, whose keys nobody knows before."""
    found = [(match, value) for name, value in environment.items() if (match := _BUILD_ARG.fullmatch(name))]
    args = {}
    for match, value in sorted(found, key=lambda it: int(it[0]["number"])):
        if _ARG_NAME.fullmatch(match["name"]) is None:
            raise UsageError(
                f"{match['name']!r} is no name of a build argument: set prefix in buildArgsFrom, or rename"
                " the key of the Secret"
            )
        args[match["name"]] = value
    return args


def resolve_paths(spec: BuildSpec, cwd: Path) -> BuildSpec:
    """Return a spec whose outputs and caches can be found whatever becomes of the root meanwhile.

    Relative paths are meant from where the executor was started, which the build deletes, and links on the
    way may be the image's own later.
    """
    given = {name: getattr(spec, name) for name in (*_PLACES, "cache_dir") if getattr(spec, name)}
    resolved: dict[str, Any] = {
        name: path if "://" in path else _resolved(cwd / path) for name, path in given.items()
    }
    if file := spec.context_digests_file:
        # A link in its place is somebody else's.
        resolved["context_digests_file"] = f"{_resolved((cwd / file).parent)}/{os.path.basename(file)}"
    resolved["cache_repo"] = _resolved_cache(spec.cache_repo, cwd)
    resolved["cache_from"] = tuple(_resolved_cache(cache, cwd) for cache in spec.cache_from)
    return replace(spec, **resolved)


def places(spec: BuildSpec) -> Iterator[str]:
    """Yield the places that the executor itself, or another one beside it, writes while steps run."""
    yield from filter(None, (getattr(spec, name) for name in _PLACES))
    if spec.cache_repo.startswith(CACHE_FOLDER):
        yield spec.cache_repo.removeprefix(CACHE_FOLDER)


def _resolved_cache(text: str, cwd: Path) -> str:
    path = text.removeprefix(CACHE_FOLDER)
    return CACHE_FOLDER + _resolved(cwd / path) if path and path != text else text


def _resolved(path: Path) -> str:
    """Resolve links, but for one that leads to something without a name, as /dev/stdout to a pipe."""
    real = os.path.realpath(path)
    return str(path) if path.exists() and not os.path.exists(real) else real
