"""The executor's flags, which are kaniko's by name, in one table."""

from dataclasses import dataclass
from enum import Enum, auto

from yadokari_contract.spec import COMPRESSION_LEVELS, CREDENTIAL_HELPERS, DEFAULT_LEVEL


class Kind(Enum):
    """What values a flag takes; where it is given again the last value counts, but for what is added up."""

    TEXT = auto()
    SWITCH = auto()
    NUMBER = auto()
    COUNT = auto()
    """A number from 0."""
    SIZE = auto()
    """A number of bytes, as in `10GiB` or `500m`."""
    DURATION = auto()
    """As Go writes it: `336h`, `1h30m`."""
    LIST = auto()
    """One more value each time that the flag is given."""
    WORDS = auto()
    """One more value each time, or several with commas between; they take the place of the default."""
    PAIRS = auto()
    """NAME=VALUE, one more each time."""
    OPTIONAL_PAIRS = auto()
    """NAME=VALUE or NAME, one more each time."""
    PAIRS_OF_MANY = auto()
    """NAME=VALUE, one more each time, or several with semicolons between; a name may have many values."""
    SETTINGS = auto()
    """NAME=VALUE of a few names, one more each time, or several with commas between."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag: its name, the field of `BuildSpec` that it fills, what values it takes.

    A flag without a field is accepted for kaniko's sake and changes nothing; `help` then says why. `unlike`
    says how it differs from kaniko's.
    """

    name: str
    field: str
    kind: Kind
    help: str
    short: str = ""
    choices: tuple[str, ...] = ()
    alias: str = ""
    unlike: str = ""


_LEVELS = ", ".join(f"{name}: {levels[0]} to {levels[-1]}" for name, levels in COMPRESSION_LEVELS.items())

FLAGS = (
    Flag(
        "context",
        "context",
        Kind.TEXT,
        "build context: a folder, plain or as dir://FOLDER, tar://FILE, git://...",
        short="c",
    ),
    Flag(
        "context-sub-path",
        "context_sub_path",
        Kind.TEXT,
        "folder in the context to build in its stead",
    ),
    Flag("bucket", "bucket", Kind.TEXT, "bucket that holds the context", short="b"),
    Flag(
        "git",
        "git",
        Kind.SETTINGS,
        "how a context that is a git repository is fetched",
        choices=("branch", "single-branch", "depth", "recurse-submodules", "insecure-skip-tls"),
    ),
    Flag("dockerfile", "dockerfile", Kind.TEXT, "Dockerfile, looked for in the context too", short="f"),
    Flag("destination", "destinations", Kind.LIST, "reference to push the image to; repeatable", short="d"),
    Flag("no-push", "no_push", Kind.SWITCH, "build without pushing"),
    Flag(
        "tar-path",
        "tar_path",
        Kind.TEXT,
        "write the image as a tar file that `docker load` reads",
        alias="tarPath",
    ),
    Flag("oci-layout-path", "oci_layout_path", Kind.TEXT, "write the image into an OCI layout folder"),
    Flag(
        "digest-file",
        "digest_file",
        Kind.TEXT,
        "write the manifest's digest into this file, or send it to this https:// address by PUT",
    ),
    Flag(
        "image-name-with-digest-file",
        "image_name_with_digest_file",
        Kind.TEXT,
        "write NAME@DIGEST of each destination into this file",
    ),
    Flag(
        "image-name-tag-with-digest-file",
        "image_name_tag_with_digest_file",
        Kind.TEXT,
        "write NAME:TAG@DIGEST of each destination into this file",
    ),
    Flag(
        "result-file",
        "result_file",
        Kind.TEXT,
        "write the result as JSON into this file (termination message)",
    ),
    Flag(
        "build-arg",
        "build_args",
        Kind.OPTIONAL_PAIRS,
        "value of an ARG; without =VALUE from the environment",
        unlike="without a value, and without a variable of that name, the ARG keeps its default",
    ),
    Flag(
        "target",
        "targets",
        Kind.WORDS,
        "stage to build, by name or index; the last one otherwise. Of several the first is the image",
    ),
    Flag(
        "custom-platform",
        "custom_platform",
        Kind.TEXT,
        "platform of the image, as OS/ARCHITECTURE[/VARIANT]; the machine's otherwise",
        alias="customPlatform",
    ),
    Flag(
        "secret",
        "secrets",
        Kind.LIST,
        "secret for RUN --mount=type=secret: id=ID[,src=FILE] or id=ID,env=VARIABLE; also ,encoding=base64",
    ),
    Flag("ssh", "ssh", Kind.LIST, "agent for RUN --mount=type=ssh: ID[=SOCKET]; `default` is $SSH_AUTH_SOCK"),
    Flag("cache-mounts-dir", "cache_mounts_dir", Kind.TEXT, "folder that keeps RUN --mount=type=cache"),
    Flag(
        "cache-mounts-repo",
        "cache_mounts_repo",
        Kind.TEXT,
        "repository that keeps RUN --mount=type=cache",
    ),
    Flag(
        "cache-mounts-scope",
        "cache_mounts_scope",
        Kind.TEXT,
        "whose caches these are: builds of other scopes have others, whatever their ids",
    ),
    Flag(
        "cache-mounts-limit",
        "cache_mounts_limit",
        Kind.SIZE,
        "bytes of each that are kept, 2 GiB unless given; what was used least recently goes",
    ),
    Flag(
        "image-format",
        "image_format",
        Kind.TEXT,
        "kind of manifest; the base's otherwise",
        unlike="without it, annotations and zstd make the image OCI's, as does a base from scratch",
        choices=("docker", "oci"),
    ),
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
    Flag(
        "reproducible",
        "reproducible",
        Kind.SWITCH,
        "no times: the same files make the same digest",
        unlike="layers of the base stay as they are",
    ),
    Flag("single-snapshot", "single_snapshot", Kind.SWITCH, "one layer for all steps of a stage"),
    Flag(
        "materialize",
        "materialize",
        Kind.SWITCH,
        "leave all files of the image in the root when the build is done",
    ),
    Flag(
        "image-unpack-limit",
        "image_unpack_limit",
        Kind.SIZE,
        "bytes that an image, archive or repository may take; otherwise what is free but for a reserve",
    ),
    Flag("ignore-path", "ignore_paths", Kind.LIST, "path to keep out of layers; repeatable"),
    Flag(
        "ignore-var-run",
        "ignore_var_run",
        Kind.SWITCH,
        "keep /var/run out of layers",
        alias="whitelist-var-run",
        unlike="it is in layers unless this is given",
    ),
    Flag(
        "snapshot-mode",
        "",
        Kind.TEXT,
        "there is one mode, which is exact and fast",
        choices=("full", "redo", "time"),
        alias="snapshotMode",
    ),
    Flag("use-new-run", "", Kind.SWITCH, "steps run in one way"),
    Flag("skip-unused-stages", "", Kind.SWITCH, "stages that the target does not need are never built"),
    Flag("force-build-metadata", "", Kind.SWITCH, "instructions that change no file are always in the image"),
    Flag("pre-cleanup", "", Kind.SWITCH, "what lies in / never gets into steps or the image"),
    Flag("cleanup", "", Kind.SWITCH, "the next build in this container deletes what this one leaves"),
    Flag("preserve-context", "", Kind.SWITCH, "a context that lies in / is always kept"),
    Flag(
        "kaniko-dir", "", Kind.TEXT, "what the executor keeps lies below /yadokari/work, a place for a volume"
    ),
    Flag("label", "labels", Kind.PAIRS, "label to set on the image; repeatable"),
    Flag(
        "annotation",
        "annotations",
        Kind.PAIRS,
        "annotation to set on the image's manifest; repeatable",
    ),
    Flag("insecure", "insecure", Kind.SWITCH, "push over plain HTTP where there is no TLS"),
    Flag("insecure-pull", "insecure_pull", Kind.SWITCH, "pull over plain HTTP where there is no TLS"),
    Flag(
        "insecure-registry",
        "insecure_registries",
        Kind.LIST,
        "registry to reach over plain HTTP where it has no TLS; repeatable",
    ),
    Flag(
        "skip-tls-verify",
        "skip_tls_verify",
        Kind.SWITCH,
        "push without asking whose certificate it is",
    ),
    Flag(
        "skip-tls-verify-pull",
        "skip_tls_verify_pull",
        Kind.SWITCH,
        "pull without asking whose certificate it is",
    ),
    Flag(
        "skip-tls-verify-registry",
        "skip_tls_verify_registries",
        Kind.LIST,
        "registry whose certificate may be anybody's; repeatable",
    ),
    Flag(
        "registry-certificate",
        "registry_certificates",
        Kind.PAIRS,
        "certificates to trust for a registry, as HOST=FILE; repeatable",
    ),
    Flag(
        "registry-client-cert",
        "registry_client_certs",
        Kind.PAIRS,
        "certificate and key to show to a registry, as HOST=CERTIFICATE,KEY; repeatable",
    ),
    Flag(
        "certificates-in-steps",
        "certificates_in_steps",
        Kind.SWITCH,
        "have RUN steps trust what the executor trusts: a file, and variables that name it",
    ),
    Flag("registry-mirror", "registry_mirrors", Kind.LIST, "mirror of docker.io, as HOST[/PATH]; repeatable"),
    Flag(
        "registry-map",
        "registry_maps",
        Kind.PAIRS_OF_MANY,
        "mirror of a registry, as HOST=HOST[/PATH]; repeatable",
    ),
    Flag(
        "skip-default-registry-fallback",
        "skip_default_registry_fallback",
        Kind.SWITCH,
        "do not ask a registry for what its mirrors lack",
    ),
    Flag(
        "credential-helpers",
        "credential_helpers",
        Kind.WORDS,
        "where credentials are looked for; empty for nowhere",
        choices=CREDENTIAL_HELPERS,
    ),
    Flag(
        "azure-container-registry-config",
        "azure_container_registry_config",
        Kind.TEXT,
        "file with the credentials for Azure's registries",
    ),
    Flag(
        "push-by-digest",
        "push_by_digest",
        Kind.SWITCH,
        "push to the repositories of the destinations under the digest alone, without a tag",
    ),
    Flag(
        "inputs-hash",
        "inputs_hash",
        Kind.TEXT,
        "tell by a label what the image is made of, where it is not pushed by digest",
    ),
    Flag(
        "unless-pushed",
        "unless_pushed",
        Kind.SWITCH,
        "build nothing where all destinations hold what has these inputs already",
    ),
    Flag(
        "source-date",
        "source_date",
        Kind.SWITCH,
        "give the image, and at most its files, the time of the commit that is the context",
    ),
    Flag("push-retry", "push_retry", Kind.COUNT, "how often a push is tried again"),
    Flag(
        "image-download-retry",
        "image_download_retry",
        Kind.COUNT,
        "how often it is tried again to find an image",
    ),
    Flag(
        "image-fs-extract-retry",
        "image_fs_extract_retry",
        Kind.COUNT,
        "how often it is tried again to fetch an image's layer",
    ),
    Flag(
        "skip-push-permission-check",
        "skip_push_permission_check",
        Kind.SWITCH,
        "do not ask before the build whether the image may be pushed",
    ),
    Flag(
        "push-ignore-immutable-tag-errors",
        "push_ignore_immutable_tag_errors",
        Kind.SWITCH,
        "take a tag that cannot be overwritten for a success",
    ),
    Flag("cache", "cache", Kind.SWITCH, "take layers that are there already, and keep those that are made"),
    Flag(
        "cache-repo",
        "cache_repo",
        Kind.TEXT,
        "repository that holds cached layers, or oci:FOLDER; DESTINATION/cache if it is not given",
    ),
    Flag(
        "cache-dir",
        "cache_dir",
        Kind.TEXT,
        "folder that a warmer filled with base images",
        unlike="without --cache too; what tags mean is taken from it where steps cannot write to it",
    ),
    Flag(
        "cache-ttl",
        "cache_ttl",
        Kind.DURATION,
        "how long cached layers are taken, and how long a tag means what it meant to the warmer",
    ),
    Flag("cache-copy-layers", "cache_copy_layers", Kind.SWITCH, "cache layers of COPY and ADD, too"),
    Flag("cache-run-layers", "cache_run_layers", Kind.SWITCH, "cache layers of RUN"),
    Flag(
        "compressed-caching",
        "",
        Kind.SWITCH,
        "layers are compressed once, on their way to a file, and take no memory for that",
    ),
    Flag("no-push-cache", "no_push_cache", Kind.SWITCH, "keep no layers for later builds"),
    Flag(
        "cache-from",
        "cache_from",
        Kind.LIST,
        "another repository of cached layers, or oci:FOLDER, which is read alone; may be repeated",
    ),
    Flag(
        "context-digests-file",
        "context_digests_file",
        Kind.TEXT,
        "file on a volume that keeps digests of the context's files: what is as it was is not read again",
    ),
    Flag(
        "isolation",
        "isolation",
        Kind.TEXT,
        "whether steps have namespaces of their own or share the executor's; auto: their own, if possible",
        choices=("auto", "namespaces", "shared"),
    ),
    Flag(
        "lodging",
        "lodging",
        Kind.TEXT,
        "base image that this container is made of, as REFERENCE@DIGEST: it need not be unpacked",
    ),
    Flag(
        "lodging-env",
        "lodging_env",
        Kind.WORDS,
        "with --lodging, the variables that are the container's and not the image's: others are not there",
    ),
    Flag(
        "verbosity",
        "verbosity",
        Kind.TEXT,
        "what is logged",
        short="v",
        choices=("trace", "debug", "info", "warn", "warning", "error", "fatal", "panic"),
    ),
    Flag("log-format", "log_format", Kind.TEXT, "how it is logged", choices=("text", "color", "json")),
    Flag("log-timestamp", "log_timestamp", Kind.SWITCH, "tell the time in the log as text"),
    Flag("dryrun", "dry_run", Kind.SWITCH, "report plan and warnings on standard output, build nothing"),
    Flag("force", "force", Kind.SWITCH, "run outside a container: everything in / is deleted"),
)

LOGIN_FLAGS = (
    Flag("username", "username", Kind.TEXT, "whose password it is", short="u"),
    Flag("password", "password", Kind.TEXT, "the password, for others to see", short="p"),
    Flag("password-stdin", "password_stdin", Kind.SWITCH, "read the password from standard input"),
)
"""Flags of `login`, which fill fields of `LoginSpec`."""
