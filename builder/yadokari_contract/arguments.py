"""The executor's arguments: kaniko's flag names, read and written from one table.

Syntax is that of kaniko's flag library (pflag): `--flag value`, `--flag=value`, `-f value`, `-fvalue`,
switches as `--flag` or `--flag=true|false`; a flag that takes several values is repeated.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any


class ArgumentError(ValueError):
    """An argument is not known, lacks its value or has one that cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSpec:
    """What to build and where it goes.

    Paths and references only, never secrets. A build argument without a value (`None`) is taken from the
    executor's environment.
    """

    context: str = "/workspace"
    dockerfile: str = "Dockerfile"
    destinations: tuple[str, ...] = ()
    no_push: bool = False
    tar_path: str = ""
    oci_layout_path: str = ""
    digest_file: str = ""
    result_file: str = ""
    build_args: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType({}))
    target: str = ""
    secrets: tuple[str, ...] = ()
    ssh: tuple[str, ...] = ()
    cache_mounts_dir: str = ""
    compression: str = "gzip"
    compression_level: int = -1
    reproducible: bool = False
    single_snapshot: bool = False
    ignore_paths: tuple[str, ...] = ()
    ignore_var_run: bool = False
    snapshot_mode: str = ""
    use_new_run: bool = False
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    insecure: bool = False
    insecure_pull: bool = False
    insecure_registries: tuple[str, ...] = ()
    registry_mirrors: tuple[str, ...] = ()
    verbosity: str = "info"
    log_format: str = "color"
    force: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag: its name, the field of `BuildSpec` that it fills, and how its values are read and written."""

    name: str
    field: str
    kind: "_Kind"
    help: str
    short: str = ""
    choices: tuple[str, ...] = ()
    alias: str = ""


@dataclass(frozen=True, slots=True)
class _Kind:
    placeholder: str
    read: Callable[[Flag, Any, str], Any]
    write: Callable[[Any], Iterator[str]]


def _read_text(flag: Flag, _: Any, value: str) -> str:
    if flag.choices and value not in flag.choices:
        raise ArgumentError(f"--{flag.name} is {value!r}: it can be {', '.join(flag.choices)}")
    return value


def _read_switch(flag: Flag, _: Any, value: str) -> bool:
    try:
        return {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}[value.lower()]
    except KeyError:
        raise ArgumentError(f"--{flag.name} is {value!r}: it can be true or false") from None


def _read_number(flag: Flag, _: Any, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ArgumentError(f"--{flag.name} is {value!r}: it is a number") from None


def _read_list(flag: Flag, before: tuple[str, ...], value: str) -> tuple[str, ...]:
    if not value:
        raise ArgumentError(f"--{flag.name} is empty")
    return (*before, value)


def _read_optional_pair(flag: Flag, before: Mapping[str, str | None], text: str) -> Mapping[str, str | None]:
    key, found, value = text.partition("=")
    if not key:
        raise ArgumentError(f"--{flag.name} is {text!r}: it has the form NAME=VALUE or NAME")
    return MappingProxyType({**before, key: value if found else None})


def _read_pair(flag: Flag, before: Mapping[str, str], text: str) -> Mapping[str, str]:
    key, found, value = text.partition("=")
    if not key or not found:
        raise ArgumentError(f"--{flag.name} is {text!r}: it has the form NAME=VALUE")
    return MappingProxyType({**before, key: value})


def _write_pairs(pairs: Mapping[str, str | None]) -> Iterator[str]:
    return (key if value is None else f"{key}={value}" for key, value in pairs.items())


_TEXT = _Kind("TEXT", _read_text, lambda value: iter([value]))
_SWITCH = _Kind("", _read_switch, lambda value: iter(["true" if value else "false"]))
_NUMBER = _Kind("NUMBER", _read_number, lambda value: iter([str(value)]))
_LIST = _Kind("TEXT", _read_list, iter)
_OPTIONAL_PAIRS = _Kind("NAME[=VALUE]", _read_optional_pair, _write_pairs)
_PAIRS = _Kind("NAME=VALUE", _read_pair, _write_pairs)

FLAGS = (
    Flag("context", "context", _TEXT, "build context: a folder, plain or as dir://FOLDER", short="c"),
    Flag("dockerfile", "dockerfile", _TEXT, "Dockerfile, looked for in the context too", short="f"),
    Flag("destination", "destinations", _LIST, "reference to push the image to; repeatable", short="d"),
    Flag("no-push", "no_push", _SWITCH, "build without pushing"),
    Flag("tar-path", "tar_path", _TEXT, "write the image as a tar file that `docker load` reads"),
    Flag("oci-layout-path", "oci_layout_path", _TEXT, "write the image into an OCI layout folder"),
    Flag("digest-file", "digest_file", _TEXT, "write the manifest's digest into this file"),
    Flag(
        "result-file", "result_file", _TEXT, "write the result as JSON into this file (termination message)"
    ),
    Flag("build-arg", "build_args", _OPTIONAL_PAIRS, "value of an ARG; without =VALUE from the environment"),
    Flag("target", "target", _TEXT, "stage to build, by name or index; the last one otherwise"),
    Flag("secret", "secrets", _LIST, "secret for RUN --mount=type=secret: id=ID[,src=FILE|,env=VARIABLE]"),
    Flag("ssh", "ssh", _LIST, "agent for RUN --mount=type=ssh: ID[=SOCKET]; `default` is $SSH_AUTH_SOCK"),
    Flag("cache-mounts-dir", "cache_mounts_dir", _TEXT, "folder that keeps RUN --mount=type=cache"),
    Flag("compression", "compression", _TEXT, "how layers are compressed", choices=("gzip", "zstd")),
    Flag("compression-level", "compression_level", _NUMBER, "gzip: 0 to 9, zstd: 1 to 22, default: -1"),
    Flag("reproducible", "reproducible", _SWITCH, "no times: the same files make the same digest"),
    Flag("single-snapshot", "single_snapshot", _SWITCH, "one layer for all steps of a stage"),
    Flag("ignore-path", "ignore_paths", _LIST, "path to keep out of layers; repeatable"),
    Flag("ignore-var-run", "ignore_var_run", _SWITCH, "keep /var/run out of layers"),
    Flag(
        "snapshot-mode",
        "snapshot_mode",
        _TEXT,
        "accepted for kaniko's sake: there is one mode, exact and fast",
        choices=("full", "redo", "time"),
        alias="snapshotMode",
    ),
    Flag("use-new-run", "use_new_run", _SWITCH, "accepted for kaniko's sake, like --snapshot-mode"),
    Flag("label", "labels", _PAIRS, "label to set on the image; repeatable"),
    Flag("insecure", "insecure", _SWITCH, "push over plain HTTP"),
    Flag("insecure-pull", "insecure_pull", _SWITCH, "pull over plain HTTP"),
    Flag("insecure-registry", "insecure_registries", _LIST, "registry to reach over plain HTTP; repeatable"),
    Flag("registry-mirror", "registry_mirrors", _LIST, "mirror of docker.io, as HOST[/PATH]; repeatable"),
    Flag(
        "verbosity",
        "verbosity",
        _TEXT,
        "what is logged",
        short="v",
        choices=("trace", "debug", "info", "warn", "error", "fatal", "panic"),
    ),
    Flag("log-format", "log_format", _TEXT, "how it is logged", choices=("text", "color", "json")),
    Flag("dryrun", "dry_run", _SWITCH, "report plan and warnings on standard output, build nothing"),
    Flag("force", "force", _SWITCH, "run outside a container: everything in / is deleted"),
)

KANIKO_ONLY = frozenset(
    {
        "annotation",
        "cache",
        "cache-copy-layers",
        "cache-dir",
        "cache-repo",
        "cache-run-layers",
        "cache-ttl",
        "cleanup",
        "compressed-caching",
        "context-sub-path",
        "custom-platform",
        "customPlatform",
        "git",
        "image-download-retry",
        "image-fs-extract-retry",
        "image-name-tag-with-digest-file",
        "image-name-with-digest-file",
        "insecure-pull-registry",
        "kaniko-dir",
        "log-timestamp",
        "no-push-cache",
        "push-ignore-immutable-tag-errors",
        "push-retry",
        "registry-certificate",
        "registry-client-cert",
        "registry-map",
        "skip-default-registry-fallback",
        "skip-push-permission-check",
        "skip-tls-verify",
        "skip-tls-verify-pull",
        "skip-tls-verify-registry",
        "skip-unused-stages",
    }
)
"""Flags that kaniko knows and this version does not: they are refused by name, never ignored."""


def parse_arguments(arguments: Sequence[str]) -> BuildSpec:
    """Read the executor's arguments; raises `ArgumentError` with what is wrong and what would be right."""
    by_name = {f"--{flag.name}": flag for flag in FLAGS}
    by_name |= {f"-{flag.short}": flag for flag in FLAGS if flag.short}
    by_name |= {f"--{flag.alias}": flag for flag in FLAGS if flag.alias}
    spec = BuildSpec()
    rest = iter(arguments)
    for argument in rest:
        name, value = _split(argument)
        flag = by_name.get(name)
        if flag is None:
            raise ArgumentError(_unknown(name, by_name))
        if value is None:
            value = "true" if flag.kind is _SWITCH else next(rest, None)
        if value is None:
            raise ArgumentError(f"{name} needs a value")
        spec = replace(spec, **{flag.field: flag.kind.read(flag, getattr(spec, flag.field), value)})
    return spec


def format_arguments(spec: BuildSpec) -> list[str]:
    """Write arguments that `parse_arguments` reads as `spec`; what has its default is left out."""
    defaults = {f.name: getattr(BuildSpec(), f.name) for f in fields(BuildSpec)}
    return [
        f"--{flag.name}={text}"
        for flag in FLAGS
        if getattr(spec, flag.field) != defaults[flag.field]
        for text in flag.kind.write(getattr(spec, flag.field))
    ]


def usage() -> str:
    """Describe every flag, one a line."""
    names = [
        (f"-{flag.short}, " if flag.short else "    ") + f"--{flag.name} {flag.kind.placeholder}".rstrip()
        for flag in FLAGS
    ]
    width = max(map(len, names))
    return "\n".join(
        f"  {name:{width}}  {flag.help}" + (f" ({', '.join(flag.choices)})" if flag.choices else "")
        for name, flag in zip(names, FLAGS, strict=True)
    )


def _split(argument: str) -> tuple[str, str | None]:
    if argument.startswith("--") and len(argument) > 2:
        name, found, value = argument.partition("=")
        return name, value if found else None
    if argument.startswith("-") and len(argument) > 1 and argument[1] != "-":
        value = argument[2:].removeprefix("=")
        return argument[:2], value if len(argument) > 2 else None
    raise ArgumentError(f"{argument!r} is not a flag: the executor takes flags only")


def _unknown(name: str, known: Mapping[str, Flag]) -> str:
    if name.removeprefix("--") in KANIKO_ONLY:
        return f"{name} is a flag of kaniko that this version of Yadokari does not support: remove it"
    near = _nearest(name, known)
    return f"{name} is not a flag" + (f": did you mean {near}?" if near else ": --help lists them")


def _nearest(name: str, known: Mapping[str, Flag]) -> str | None:
    return next(iter(get_close_matches(name, known, 1, 0.7)), None)
