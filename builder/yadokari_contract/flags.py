"""The executor's flags, which are kaniko's by name, in one table."""

from dataclasses import dataclass
from enum import Enum, auto

from yadokari_contract.spec import COMPRESSION_LEVELS, DEFAULT_LEVEL


class Kind(Enum):
    """What values a flag takes."""

    TEXT = auto()
    SWITCH = auto()
    NUMBER = auto()
    LIST = auto()
    """One more value each time that the flag is given."""
    PAIRS = auto()
    """NAME=VALUE, one more each time."""
    OPTIONAL_PAIRS = auto()
    """NAME=VALUE or NAME, one more each time."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag: its name, the field of `BuildSpec` that it fills, what values it takes.

    A flag without a field is accepted for kaniko's sake and changes nothing; `help` then says why.
    """

    name: str
    field: str
    kind: Kind
    help: str
    short: str = ""
    choices: tuple[str, ...] = ()
    alias: str = ""


_LEVELS = ", ".join(f"{name}: {levels[0]} to {levels[-1]}" for name, levels in COMPRESSION_LEVELS.items())

FLAGS = (
    Flag("context", "context", Kind.TEXT, "build context: a folder, plain or as dir://FOLDER", short="c"),
    Flag("dockerfile", "dockerfile", Kind.TEXT, "Dockerfile, looked for in the context too", short="f"),
    Flag("destination", "destinations", Kind.LIST, "reference to push the image to; repeatable", short="d"),
    Flag("no-push", "no_push", Kind.SWITCH, "build without pushing"),
    Flag("tar-path", "tar_path", Kind.TEXT, "write the image as a tar file that `docker load` reads"),
    Flag("oci-layout-path", "oci_layout_path", Kind.TEXT, "write the image into an OCI layout folder"),
    Flag("digest-file", "digest_file", Kind.TEXT, "write the manifest's digest into this file"),
    Flag(
        "result-file",
        "result_file",
        Kind.TEXT,
        "write the result as JSON into this file (termination message)",
    ),
    Flag(
        "build-arg", "build_args", Kind.OPTIONAL_PAIRS, "value of an ARG; without =VALUE from the environment"
    ),
    Flag("target", "target", Kind.TEXT, "stage to build, by name or index; the last one otherwise"),
    Flag(
        "secret", "secrets", Kind.LIST, "secret for RUN --mount=type=secret: id=ID[,src=FILE|,env=VARIABLE]"
    ),
    Flag("ssh", "ssh", Kind.LIST, "agent for RUN --mount=type=ssh: ID[=SOCKET]; `default` is $SSH_AUTH_SOCK"),
    Flag("cache-mounts-dir", "cache_mounts_dir", Kind.TEXT, "folder that keeps RUN --mount=type=cache"),
    Flag(
        "compression",
        "compression",
        Kind.TEXT,
        "how layers are compressed",
        choices=tuple(COMPRESSION_LEVELS),
    ),
    Flag(
        "compression-level",
        "compression_level",
        Kind.NUMBER,
        f"how hard ({_LEVELS}); {DEFAULT_LEVEL}, the default, is what suits building",
    ),
    Flag("reproducible", "reproducible", Kind.SWITCH, "no times: the same files make the same digest"),
    Flag("single-snapshot", "single_snapshot", Kind.SWITCH, "one layer for all steps of a stage"),
    Flag("ignore-path", "ignore_paths", Kind.LIST, "path to keep out of layers; repeatable"),
    Flag("ignore-var-run", "ignore_var_run", Kind.SWITCH, "keep /var/run out of layers"),
    Flag(
        "snapshot-mode",
        "",
        Kind.TEXT,
        "there is one mode, which is exact and fast",
        choices=("full", "redo", "time"),
        alias="snapshotMode",
    ),
    Flag("use-new-run", "", Kind.SWITCH, "steps run in one way"),
    Flag("label", "labels", Kind.PAIRS, "label to set on the image; repeatable"),
    Flag("insecure", "insecure", Kind.SWITCH, "push over plain HTTP"),
    Flag("insecure-pull", "insecure_pull", Kind.SWITCH, "pull over plain HTTP"),
    Flag(
        "insecure-registry", "insecure_registries", Kind.LIST, "registry to reach over plain HTTP; repeatable"
    ),
    Flag("registry-mirror", "registry_mirrors", Kind.LIST, "mirror of docker.io, as HOST[/PATH]; repeatable"),
    Flag(
        "verbosity",
        "verbosity",
        Kind.TEXT,
        "what is logged",
        short="v",
        choices=("trace", "debug", "info", "warn", "error", "fatal", "panic"),
    ),
    Flag("log-format", "log_format", Kind.TEXT, "how it is logged", choices=("text", "color", "json")),
    Flag("dryrun", "dry_run", Kind.SWITCH, "report plan and warnings on standard output, build nothing"),
    Flag("force", "force", Kind.SWITCH, "run outside a container: everything in / is deleted"),
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
