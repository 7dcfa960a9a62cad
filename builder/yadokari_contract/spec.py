"""What a build is asked to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

# zstd takes up to 900 MB for levels above 19.
COMPRESSION_LEVELS: Mapping[str, range] = MappingProxyType({"gzip": range(10), "zstd": range(1, 20)})
"""How layers can be compressed, and how hard."""

DEFAULT_LEVEL = -1
"""Stands for the level that suits building."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSpec:
    """What to build and where it goes.

    Paths and references only, never secrets. A build argument without a value (`None`) is taken from the
    executor's environment. `accepted` are flags that change nothing (see `flags`), with the values they were
    given.
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
    compression_level: int = DEFAULT_LEVEL
    reproducible: bool = False
    single_snapshot: bool = False
    ignore_paths: tuple[str, ...] = ()
    ignore_var_run: bool = False
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    insecure: bool = False
    insecure_pull: bool = False
    insecure_registries: tuple[str, ...] = ()
    registry_mirrors: tuple[str, ...] = ()
    verbosity: str = "info"
    log_format: str = "color"
    force: bool = False
    dry_run: bool = False
    accepted: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
