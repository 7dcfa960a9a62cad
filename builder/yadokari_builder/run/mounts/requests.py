"""From what a step wants mounted to mounts: what the build has is put where the plan says."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from yadokari_builder.plan.steps import (
    BindRequest,
    CacheRequest,
    MountRequest,
    SecretRequest,
    Source,
    SshRequest,
    TmpfsRequest,
)
from yadokari_builder.run.mounts.caches import CacheKey, CacheStore, CacheUse, Fill
from yadokari_builder.run.mounts.files import SecretMount
from yadokari_builder.run.mounts.mounted import BindMount, CacheMount, Mount, TmpfsMount
from yadokari_builder.run.mounts.secrets import Secrets
from yadokari_builder.run.mounts.ssh import Agents, SshMount

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Provisions:
    """What a build has to mount.

    `fill` gives the files at an in-root path of a source, `name_of` names them by what they are: the same
    name in another build means the same files. `apart` is whether steps have namespaces of their own.
    """

    fill: Callable[[Source, str], Fill]
    name_of: Callable[[Source, str], str]
    caches: CacheStore
    secrets: Secrets
    agents: Agents
    apart: bool = False


@dataclass(slots=True)
class Mounts:
    """The mounts of one step, and what comes with them: secrets as variables, where an agent listens.

    `caches` are those among the mounts.
    """

    mounts: list[Mount] = field(default_factory=list)
    caches: list[CacheUse] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    agent: str = ""

    def environment(self, own: Mapping[str, str]) -> dict[str, str]:
        """Return a step's own variables with those of its mounts: as with BuildKit, SSH_AUTH_SOCK yields."""
        agent = {"SSH_AUTH_SOCK": self.agent} if self.agent else {}
        return {**agent, **own, **self.secrets}


def answer(requests: Sequence[MountRequest], provisions: Provisions) -> Mounts:
    """Return the mounts that a RUN asks for.

    Raises `RunError` for a secret or an agent that is required and not there.
    """
    answered = Mounts()
    for request in requests:
        match request:
            case SecretRequest():
                _add_secret(answered, request, provisions)
            case SshRequest():
                _add_agent(answered, request, provisions.agents)
            case CacheRequest():
                _add_cache(answered, request, provisions)
            case TmpfsRequest():
                answered.mounts.append(TmpfsMount(request.target, request.size))
            case BindRequest(target=target, source=source, path=path):
                answered.mounts.append(BindMount(target, provisions.fill(source, path), request.readonly))
    return answered


def cache_use(request: CacheRequest, name_of: Callable[[Source, str], str]) -> CacheUse:
    """Tell which cache a RUN asks for; `name_of` is that of `Provisions`."""
    key = CacheKey(
        request.id,
        content=name_of(request.source, request.path) if request.source is not None else "",
        uid=request.uid,
        gid=request.gid,
        mode=request.mode,
    )
    return CacheUse(key, request.sharing)


def _add_cache(answered: Mounts, request: CacheRequest, provisions: Provisions) -> None:
    if request.readonly and not provisions.apart:
        logger.warning(
            "RUN --mount=type=cache,target=%s: it can be written at level shared, though it is readonly, and"
            " what is written stays",
            request.target,
        )
    use = cache_use(request, provisions.name_of)
    source = request.source if request.is_filled else None
    fill = _late_fill(provisions, source, request.path) if source is not None else None
    answered.mounts.append(CacheMount(request.target, use.key, provisions.caches, fill, request.readonly))
    answered.caches.append(use)


def _late_fill(provisions: Provisions, source: Source, path: str) -> Fill:
    """Return what looks for files once they are wanted: an image is not fetched for a cache that is there."""

    def fill(place: str) -> None:
        provisions.fill(source, path)(place)

    return fill


def _add_secret(answered: Mounts, request: SecretRequest, provisions: Provisions) -> None:
    value = provisions.secrets.find(request.id, required=request.required)
    if request.variable:
        # As with BuildKit, one that is not there is a variable that is empty, and no file.
        answered.secrets[request.variable] = (value or b"").decode("utf-8", "surrogateescape")
    if request.target and value is not None:
        owner = request.uid, request.gid
        answered.mounts.append(SecretMount(request.target, value, *owner, request.mode, provisions.apart))


def _add_agent(answered: Mounts, request: SshRequest, agents: Agents) -> None:
    answered.agent = answered.agent or request.target
    agent = agents.find(request.id, required=request.required)
    if agent is not None:
        answered.mounts.append(SshMount(request.target, agent, request.uid, request.gid, request.mode))
