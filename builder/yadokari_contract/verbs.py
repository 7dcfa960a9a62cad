"""The executor's verbs beside building: what each takes, in one table."""

from dataclasses import dataclass

from yadokari_contract.flags import FLAGS, LOGIN_FLAGS, Flag, Kind


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb: its name, the words that follow it (for people), what it does, and its flags."""

    name: str
    words: str
    help: str
    flags: tuple[Flag, ...] = ()

    @property
    def synopsis(self) -> str:
        """How it is called."""
        return " ".join(filter(None, (self.name, self.words)))


_LOG = frozenset({"log-format", "log-timestamp", "verbosity"})
_REACH = frozenset(
    {
        "azure-container-registry-config",
        "credential-helpers",
        "image-download-retry",
        "insecure-pull",
        "insecure-registry",
        "registry-certificate",
        "registry-client-cert",
        "registry-map",
        "registry-mirror",
        "skip-default-registry-fallback",
        "skip-tls-verify-pull",
        "skip-tls-verify-registry",
    }
)
_PUSH = frozenset(
    {
        "destination",
        "insecure",
        "push-ignore-immutable-tag-errors",
        "push-retry",
        "skip-push-permission-check",
        "skip-tls-verify",
    }
)
_NAMES = frozenset(
    {"digest-file", "image-name-with-digest-file", "image-name-tag-with-digest-file", "result-file"}
)


def _named(*groups: frozenset[str]) -> tuple[Flag, ...]:
    return tuple(flag for flag in FLAGS if any(flag.name in group for group in groups))


CHECK = Verb("check", "-- FLAGS", "tell what differs from what kaniko would build", FLAGS)
COPY_RUNTIME = Verb("copy-runtime", "FOLDER", "copy the executor's own files, out of the reach of steps")
LOGIN = Verb(
    "login",
    "REGISTRY --username NAME --password-stdin",
    "keep a password in config.json",
    LOGIN_FLAGS,
)
PACK_CONTEXT = Verb(
    "pack-context",
    "FOLDER FILE",
    "pack a folder as a build context, without what .dockerignore leaves out",
    _named(_LOG, frozenset({"dockerfile"})),
)
# Flags for pulling change nothing there.
PUSH = Verb(
    "push",
    "PATH --destination REFERENCE",
    "push an archive or an OCI layout",
    _named(_LOG, _REACH, _PUSH),
)
INDEX = Verb(
    "index",
    "IMAGE@DIGEST... --destination REFERENCE",
    "push an index of images that are in registries",
    _named(_LOG, _REACH, _PUSH, _NAMES, frozenset({"annotation", "image-fs-extract-retry"})),
)
RESOLVE = Verb(
    "resolve",
    "REFERENCE|REPOSITORY...",
    "tell as JSON what images and git refs point at now",
    _named(_LOG, _REACH, frozenset({"custom-platform", "git", "result-file"})),
)
WARM = Verb(
    "warm",
    "--image REFERENCE",
    "put base images into a folder that builds read",
    (
        Flag("image", "images", Kind.LIST, "image to put there; repeatable", short="i"),
        Flag("dockerfile", "dockerfile", Kind.TEXT, "Dockerfile whose images to put there", short="d"),
        Flag("cache-dir", "cache_dir", Kind.TEXT, "the folder", short="c"),
        Flag("force", "again", Kind.SWITCH, "fetch again what is there already", short="f"),
        Flag("cache-ttl", "", Kind.DURATION, "registries are always asked what a name means"),
        *_named(_LOG, _REACH, frozenset({"build-arg", "custom-platform", "image-fs-extract-retry"})),
    ),
)
VERSION_VERB = Verb("version", "", "tell the version")
VERBS = (CHECK, COPY_RUNTIME, INDEX, LOGIN, PACK_CONTEXT, PUSH, RESOLVE, VERSION_VERB, WARM)
"""All of them, as they are listed."""
