"""Names that have a meaning without being declared."""

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH where the base image sets none."""

DEFAULT_SHELL = ("/bin/sh", "-c")
"""What runs commands in shell form where neither SHELL nor the base image says so."""

SCRATCH = "scratch"
"""The base that is no image."""

RESERVED_STAGE_NAMES = frozenset({"context", SCRATCH})

PROXY_ARGS = frozenset({"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"})
"""Build arguments, in lower case, that RUN sees undeclared and that leave no trace in the image."""

PLATFORM_ARGS = (
    *("BUILDPLATFORM", "BUILDOS", "BUILDOSVERSION", "BUILDARCH", "BUILDVARIANT"),
    *("TARGETPLATFORM", "TARGETOS", "TARGETOSVERSION", "TARGETARCH", "TARGETVARIANT"),
    "TARGETSTAGE",
)
"""Arguments that FROM sees undeclared, and stages that declare them."""

SBOM_ARGS = frozenset({"BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"})
"""Arguments that steer BuildKit's scanners and never become variables."""

CACHE_MOUNT_NAMESPACE = "BUILDKIT_CACHE_MOUNT_NS"
"""The argument that stands before the id of each cache of RUN steps, with a slash; it needs no ARG."""

SOURCE_DATE_EPOCH = "SOURCE_DATE_EPOCH"
"""The argument that dates the image: seconds since 1970."""

UNDECLARED_ARGS = frozenset({*PLATFORM_ARGS, *SBOM_ARGS, SOURCE_DATE_EPOCH})


def needs_declaration(name: str) -> bool:
    """Tell whether a build argument has no effect unless an ARG declares it."""
    is_own = name.startswith("BUILDKIT_") or name in UNDECLARED_ARGS
    return not (is_own or name.lower() in PROXY_ARGS)
