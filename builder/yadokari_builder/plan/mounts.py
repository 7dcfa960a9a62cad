"""RUN --mount, understood: defaults and rules as in BuildKit's dispatchRunMounts.

The mounts are expanded ones. Whatever is wrong with one is found here and not when it is made.
"""

import posixpath
from collections.abc import Callable, Sequence

from yadokari_builder.dockerfile.instructions import Mount
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.quoting import quote
from yadokari_builder.plan.steps import (
    BindRequest,
    CacheRequest,
    MountRequest,
    SecretRequest,
    Source,
    SshRequest,
    TmpfsRequest,
)
from yadokari_builder.rootfs.paths import normalise

_DEFAULT_AGENT = "default"


def read_mounts(
    mounts: Sequence[Mount], working_dir: str, source: Callable[[Mount], Source], namespace: str
) -> tuple[MountRequest, ...]:
    """Return what a RUN wants mounted; `source` finds where a mount takes files from.

    The ids of caches are those of a `namespace`, if there is one (see `CACHE_MOUNT_NAMESPACE`).

    Raises LanguageError.
    """
    agents = 0
    requests: list[MountRequest] = []
    for mount in mounts:
        # A stage that is named has to come before, even where no file is taken from it.
        found = source(mount)
        match mount.type:
            case "secret":
                requests.append(_secret(mount))
            case "ssh":
                requests.append(_ssh(mount, agents))
                agents += 1
            case "cache":
                requests.append(_cache(mount, working_dir, found if mount.from_ else None, namespace))
            case "tmpfs":
                requests.append(TmpfsRequest(_target(mount, working_dir), mount.size))
            case _:
                target = _target(mount, working_dir)
                requests.append(BindRequest(target, found, _path(mount), mount.readonly))
    return tuple(requests)


def _cache(mount: Mount, working_dir: str, source: Source | None, namespace: str) -> CacheRequest:
    is_owned = not (mount.uid is mount.gid is mount.mode is None)
    path = _path(mount)
    cache_id = mount.id or posixpath.normpath(mount.target)
    return CacheRequest(
        _target(mount, working_dir),
        f"{namespace}/{cache_id}" if namespace else cache_id,
        source,
        path,
        # As with BuildKit, ownership is that of a new, empty directory: one with a source has its own.
        is_filled=source is not None and not (is_owned and path == "/"),
        readonly=mount.readonly,
        sharing=mount.sharing or "shared",
        uid=mount.uid or 0,
        gid=mount.gid or 0,
        mode=0o755 if mount.mode is None else mount.mode,
    )


def _secret(mount: Mount) -> SecretRequest:
    if mount.env == "":
        # BuildKit finds that out when the process is to start.
        raise LanguageError("the variable of a secret needs a name", "env=")
    secret_id = mount.source or mount.id or _base(mount.target)
    target = mount.target
    if mount.env is None and not target:
        target = f"/run/secrets/{_base(secret_id)}"
    return SecretRequest(
        secret_id,
        target=_refuse_root(normalise(target)) if target else "",
        variable=mount.env or "",
        required=mount.required,
        uid=mount.uid or 0,
        gid=mount.gid or 0,
        mode=0o400 if mount.mode is None else mount.mode,
    )


def _ssh(mount: Mount, number: int) -> SshRequest:
    if mount.source:
        raise LanguageError("ssh does not support source", mount.source)
    return SshRequest(
        _refuse_root(normalise(mount.target or f"/run/buildkit/ssh_agent.{number}")),
        mount.id or _DEFAULT_AGENT,
        required=mount.required,
        uid=mount.uid or 0,
        gid=mount.gid or 0,
        mode=0o600 if mount.mode is None else mount.mode,
    )


def _target(mount: Mount, working_dir: str) -> str:
    return _refuse_root(normalise(posixpath.join("/", working_dir, mount.target)))


def _refuse_root(target: str) -> str:
    if target == "/":
        raise LanguageError(f"invalid mount target {quote(target)}", "--mount")
    return target


def _path(mount: Mount) -> str:
    return normalise(mount.source)


def _base(path: str) -> str:
    """Return a path's last name (Go: `path.Base`)."""
    return posixpath.basename(path.rstrip("/")) or "/"
