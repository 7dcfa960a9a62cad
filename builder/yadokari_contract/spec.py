"""What a build is asked to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

# zstd takes up to 900 MB for levels above 19.
COMPRESSION_LEVELS: Mapping[str, range] = MappingProxyType({"gzip": range(10), "zstd": range(1, 20)})
"""How layers can be compressed, and how hard."""

DEFAULT_LEVEL = -1
"""Stands for the level that suits building."""

INPUTS_MARK = "dev.yadokari.inputs-hash"
"""The label of an image, or the annotation of an index, that tells what it was made of."""

CREDENTIAL_HELPERS = ("env", "google", "ecr", "acr", "gitlab")
"""Where credentials are looked for beside configuration files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GitOptions:
    """How a context that is a git repository is fetched; a depth of 0 is all of its history."""

    branch: str = ""
    single_branch: bool = False
    depth: int = 0
    recurse_submodules: bool = False
    insecure_skip_tls: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginSpec:
    """Whose password for which registry is to be kept; it is on standard input if `password_stdin`."""

    registry: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    password_stdin: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSpec:
    """What to build and where it goes.

    Paths and references only, never secrets. A build argument without a value (`None`) is taken from the
    executor's environment. The first of `targets` is the image, others are built beside it; without any it is
    the last stage. `accepted` are flags that change nothing (see `flags`), with the values they were given.
    """

    context: str = "/workspace"
    context_sub_path: str = ""
    bucket: str = ""
    git: GitOptions = field(default_factory=GitOptions)
    dockerfile: str = "Dockerfile"
    destinations: tuple[str, ...] = ()
    no_push: bool = False
    tar_path: str = ""
    oci_layout_path: str = ""
    digest_file: str = ""
    image_name_with_digest_file: str = ""
    image_name_tag_with_digest_file: str = ""
    result_file: str = ""
    builder_output: str = ""
    build_args: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType({}))
    targets: tuple[str, ...] = ()
    custom_platform: str = ""
    secrets: tuple[str, ...] = ()
    ssh: tuple[str, ...] = ()
    cache_mounts_dir: str = ""
    cache_mounts_repo: str = ""
    cache_mounts_scope: str = ""
    cache_mounts_limit: int = 0
    image_format: str = ""
    compression: str = "gzip"
    compression_level: int = DEFAULT_LEVEL
    reproducible: bool = False
    source_date: bool = False
    single_snapshot: bool = False
    materialize: bool = False
    image_unpack_limit: int = 0
    ignore_paths: tuple[str, ...] = ()
    ignore_var_run: bool = False
    isolation: str = "auto"
    lodging: str = ""
    lodging_env: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    insecure: bool = False
    insecure_pull: bool = False
    insecure_registries: tuple[str, ...] = ()
    skip_tls_verify: bool = False
    skip_tls_verify_pull: bool = False
    skip_tls_verify_registries: tuple[str, ...] = ()
    registry_certificates: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    registry_client_certs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    certificates_in_steps: bool = False
    registry_mirrors: tuple[str, ...] = ()
    registry_maps: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    skip_default_registry_fallback: bool = False
    credential_helpers: tuple[str, ...] = CREDENTIAL_HELPERS
    azure_container_registry_config: str = ""
    push_by_digest: bool = False
    inputs_hash: str = ""
    unless_pushed: bool = False
    push_retry: int = 0
    image_download_retry: int = 0
    image_fs_extract_retry: int = 0
    skip_push_permission_check: bool = False
    push_ignore_immutable_tag_errors: bool = False
    cache: bool = False
    cache_repo: str = ""
    cache_dir: str = "/cache"
    cache_ttl: timedelta = timedelta(days=14)
    cache_copy_layers: bool = False
    cache_run_layers: bool = True
    no_push_cache: bool = False
    cache_from: tuple[str, ...] = ()
    context_digests_file: str = ""
    verbosity: str = "info"
    log_format: str = "color"
    log_timestamp: bool = False
    force: bool = False
    dry_run: bool = False
    accepted: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def target(self) -> str:
        """The stage that is the image, by name or index; empty for the last one."""
        return self.targets[0] if self.targets else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmSpec(BuildSpec):
    """What a warmer puts into `cache_dir`: the images that are named and those of a Dockerfile ("" for none).

    With `again` what is there already is fetched again.
    """

    dockerfile: str = ""
    images: tuple[str, ...] = ()
    again: bool = False
