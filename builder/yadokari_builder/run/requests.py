"""From what RUN --mount asks for to mounts: defaults and rules as in BuildKit's dockerfile2llb."""

import logging
import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from yadokari_builder.dockerfile import instructions
from yadokari_builder.plan.steps import ContextSource, Source
from yadokari_builder.run.caches import CacheKey, CacheStore, Fill
from yadokari_builder.run.mounts import BindMount, CacheMount, FileMount, Mount, TmpfsMount
from yadokari_builder.run.secrets import Secrets
from yadokari_builder.run.ssh import DEFAULT_ID, Agents, SshMount, default_target

logger = logging.getLogger(__name__)

_SECRET_MODE = 0o400
_SOCKET_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Provisions:
    """What a build has to mount.

    `fill` gives the files at an in-root path of a source, `origin` names a source's content: the same name in
    another build means the same files.
    """

    fill: Callable[[Source, str], Fill]
    origin: Callable[[Source], str]
    caches: CacheStore
    secrets: Secrets
    agents: Agents


@dataclass(slots=True)
class Mounts:
    """The mounts of one step, and the variables that come with them: secrets and SSH_AUTH_SOCK."""

    mounts: list[Mount] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict, repr=False)


def answer(
    requests: Sequence[tuple[instructions.Mount, Source | None]], working_dir: str, provisions: Provisions
) -> Mounts:
    """Return the mounts that a RUN asks for; a bind mount without a source is of the context.

    Raises `RunError` for a secret or an agent that is required and not there.
    """
    answered = Mounts()
    for request, source in requests:
        match request.type:
            case "secret":
                _add_secret(answered, request, provisions.secrets)
            case "ssh":
                _add_agent(answered, request, working_dir, provisions.agents)
            case "cache":
                answered.mounts.append(_cache(request, source, working_dir, provisions))
            case "tmpfs":
                answered.mounts.append(_tmpfs(request, working_dir))
            case _:
                fill = provisions.fill(source or ContextSource(), _source_path(request))
                answered.mounts.append(BindMount(_target(request, working_dir), fill))
    return answered


def _cache(
    request: instructions.Mount, source: Source | None, working_dir: str, provisions: Provisions
) -> CacheMount:
    owned = not (request.uid is request.gid is request.mode is None)
    path = _source_path(request)
    fill = None
    # As with BuildKit, ownership is that of a new, empty directory: one with a source has its own.
    if source is not None and not (owned and path == "/"):
        fill = provisions.fill(source, path)
    key = CacheKey(
        request.id or posixpath.normpath(request.target),
        origin=f"{provisions.origin(source)}:{path}" if source is not None else "",
        uid=request.uid or 0,
        gid=request.gid or 0,
        mode=0o755 if request.mode is None else request.mode,
    )
    sharing = request.sharing or "shared"
    return CacheMount(_target(request, working_dir), key, provisions.caches, fill, sharing)


def _tmpfs(request: instructions.Mount, working_dir: str) -> TmpfsMount:
    if request.size:
        logger.warning(
            "RUN --mount=type=tmpfs,target=%s: the size is not enforced without privilege", request.target
        )
    return TmpfsMount(_target(request, working_dir))


def _add_secret(answered: Mounts, request: instructions.Mount, secrets: Secrets) -> None:
    secret_id = request.source or request.id or posixpath.basename(request.target)
    value = secrets.find(secret_id, required=request.required)
    if value is None:
        return
    if request.env is not None:
        answered.environment[request.env or secret_id] = value.decode("utf-8", "surrogateescape")
    if request.env is None or request.target:
        target = posixpath.join("/", request.target or f"/run/secrets/{posixpath.basename(secret_id)}")
        mode = _SECRET_MODE if request.mode is None else request.mode
        answered.mounts.append(FileMount(target, value, request.uid or 0, request.gid or 0, mode))


def _add_agent(answered: Mounts, request: instructions.Mount, working_dir: str, agents: Agents) -> None:
    number = sum(isinstance(mount, SshMount) for mount in answered.mounts)
    target = _target(request, working_dir) if request.target else default_target(number)
    answered.environment.setdefault("SSH_AUTH_SOCK", target)
    agent = agents.find(request.id or DEFAULT_ID, required=request.required)
    if agent is not None:
        mode = _SOCKET_MODE if request.mode is None else request.mode
        answered.mounts.append(SshMount(target, agent, request.uid or 0, request.gid or 0, mode))


def _target(request: instructions.Mount, working_dir: str) -> str:
    return posixpath.normpath(posixpath.join("/", working_dir, request.target))


def _source_path(request: instructions.Mount) -> str:
    return posixpath.normpath("/" + request.source.lstrip("/"))
