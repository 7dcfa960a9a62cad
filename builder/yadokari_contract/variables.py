"""Variables of the executor's environment that are kaniko's, in one table."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

KANIKO_TELEMETRY = "KANIKO_TELEMETRY_ENDPOINT"
TRACED = (KANIKO_TELEMETRY, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Each of these, where it is set, has traces sent."""

_FEATURE = "FF_KANIKO_"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable and what it stands for: a flag, a field of `BuildSpec` without one, or nothing.

    One that stands for nothing is accepted for kaniko's sake and changes nothing; `help` then says why. What
    the command line says counts more, unless the variable `wins`. `separator` stands between several values.
    What `is_traced` says where traces go.
    """

    name: str
    help: str
    flag: str = ""
    field: str = ""
    wins: bool = False
    is_traced: bool = False
    separator: str = ""

    def texts(self, environment: Mapping[str, str]) -> tuple[str, ...]:
        """Return the values that it has; an empty one is none."""
        value = environment.get(self.name, "")
        return tuple(filter(None, value.split(self.separator) if self.separator else [value]))

    @property
    def changes_nothing(self) -> bool:
        """Whether it stands for nothing."""
        return not (self.flag or self.field or self.is_traced)


_AS_BUILDKIT = "it is always so, as with BuildKit"
_OTHER_KEYS = "the cache is another one, with keys of its own"

VARIABLES = (
    Variable("KANIKO_NO_PUSH", "as --no-push, which it overrules", flag="no-push", wins=True),
    Variable(
        "KANIKO_REGISTRY_MIRROR",
        "more of --registry-mirror",
        flag="registry-mirror",
        wins=True,
        separator=",",
    ),
    Variable("KANIKO_REGISTRY_MAP", "more of --registry-map", flag="registry-map", wins=True),
    Variable("KANIKO_PRE_CLEANUP", "as --pre-cleanup", flag="pre-cleanup"),
    Variable("KANIKO_CLEANUP", "as --cleanup", flag="cleanup"),
    Variable("KANIKO_PRESERVE_CONTEXT", "as --preserve-context", flag="preserve-context"),
    Variable("KANIKO_DIR", "as --kaniko-dir", flag="kaniko-dir"),
    Variable("BUILDER_OUTPUT", "folder for a file images that names what was pushed", field="builder_output"),
    Variable("KANIKO_PRINT_PLAN", "--dryrun reports the plan"),
    Variable("KANIKO_IGNORE_ASSERTIONS", "there is none that could be skipped"),
    Variable(KANIKO_TELEMETRY, "where traces are sent, before OTEL_EXPORTER_OTLP_ENDPOINT", is_traced=True),
    Variable("KANIKO_TELEMETRY_OMIT_DOCKERFILE", "traces never hold the whole Dockerfile"),
    Variable("UPSTREAM_CLIENT_TYPE", "registries are not told who started a build"),
    Variable("STACKLOG_PATH", "stacks are not recorded"),
    Variable("FF_KANIKO_BUILDKIT_ARG_ENV_PRECEDENCE", _AS_BUILDKIT),
    Variable("FF_KANIKO_CACHE_LOOKAHEAD", _OTHER_KEYS),
    Variable("FF_KANIKO_CACHE_PROBE_AFTER_MISS", _OTHER_KEYS),
    Variable("FF_KANIKO_CHOWN_ON_IMPLICIT_DIRS", _AS_BUILDKIT),
    Variable("FF_KANIKO_CLEAN_KANIKO_DIR", "each build deletes what the one before has left"),
    Variable("FF_KANIKO_COPY_AS_ROOT", _AS_BUILDKIT),
    Variable("FF_KANIKO_COPY_CHMOD_ON_IMPLICIT_DIRS", _AS_BUILDKIT),
    Variable("FF_KANIKO_CROSS_REPO_MOUNT", "layers that the registry holds are always mounted"),
    Variable(
        "FF_KANIKO_DEPRECATE_INTER_STAGE_RESTORE", "a context that lies in / is kept, and nothing else of it"
    ),
    Variable("FF_KANIKO_DISABLE_HTTP2", "registries are always spoken to in HTTP/1.1"),
    Variable("FF_KANIKO_EXPAND_HEREDOC", _AS_BUILDKIT),
    Variable("FF_KANIKO_HASH_DIR_FRAMING", _OTHER_KEYS),
    Variable("FF_KANIKO_IGNORE_CACHED_MANIFEST", _OTHER_KEYS),
    Variable("FF_KANIKO_INFER_CROSS_STAGE_CACHE_KEY", _OTHER_KEYS),
    Variable("FF_KANIKO_NO_PROPAGATE_ANNOTATIONS", _AS_BUILDKIT),
    Variable("FF_KANIKO_OCI_SCRATCH_BASE", _AS_BUILDKIT),
    Variable("FF_KANIKO_OCI_WARMER", "the warmer always makes an OCI layout"),
    Variable("FF_KANIKO_PATH_SCOPED_REGISTRY_AUTH", "credentials are always looked for by the path"),
    Variable("FF_KANIKO_PRECOMPILE_DOCKERIGNORE", "patterns are always compiled once"),
    Variable("FF_KANIKO_PRESERVE_HARDLINKS", _AS_BUILDKIT),
    Variable("FF_KANIKO_PRESERVE_MOUNTED_PATHS", "mounts are never touched"),
    Variable("FF_KANIKO_RELATIVE_LINK_TARGETS", _AS_BUILDKIT),
    Variable("FF_KANIKO_REPRODUCIBLE_PRESERVE_BASE_LAYERS", "layers of the base always stay as they are"),
    Variable("FF_KANIKO_RESOLVE_CACHE_KEY", _OTHER_KEYS),
    Variable("FF_KANIKO_ROLLING_CACHE_KEY", _OTHER_KEYS),
    Variable("FF_KANIKO_RUN_HONOR_GROUP", _AS_BUILDKIT),
    Variable("FF_KANIKO_RUN_MOUNT_BIND", _AS_BUILDKIT),
    Variable("FF_KANIKO_RUN_VIA_TINI", "the executor itself reaps what a step leaves behind"),
    Variable("FF_KANIKO_SCOPED_DOCKERIGNORE", _AS_BUILDKIT),
    Variable("FF_KANIKO_SECUREJOIN_EXTRACTION", "no entry of a layer can leave the root"),
    Variable("FF_KANIKO_SHARED_BASE_CACHE", "a base is always fetched once"),
    Variable("FF_KANIKO_SKIP_CACHED_STAGES", _OTHER_KEYS),
    Variable("FF_KANIKO_SKIP_RELABEL_RECOMPRESS", "layers are never compressed again"),
    Variable("FF_KANIKO_SKIP_WRITE_WHITEOUTS", "whiteouts never become files"),
    Variable("FF_KANIKO_UNTAR_SKIP_ROOT", _AS_BUILDKIT),
    Variable("FF_KANIKO_VOLUME_SKIP_MKDIR", _AS_BUILDKIT),
    Variable("FF_KANIKO_WARMER_CACHE_LOCK", "warmers of one folder always take turns"),
)


def without_effect(environment: Mapping[str, str]) -> Iterator[str]:
    """Say of each variable of kaniko's that is set, and changes nothing, why; a line each."""
    for variable in VARIABLES:
        if variable.changes_nothing and variable.texts(environment):
            yield f"{variable.name} changes nothing: {variable.help}"
    known = {variable.name for variable in VARIABLES}
    for name in sorted(environment):
        if name.startswith(_FEATURE) and name not in known:
            yield f"{name} changes nothing: it is not known as a feature of kaniko"
