"""From what a step wants mounted to mounts: what the build has is put where the plan says."""

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
from yadokari_builder.run.mounts.caches import CacheKey, CacheStore, Fill
from yadokari_builder.run.mounts.mounted import BindMount, CacheMount, FileMount, Mount, TmpfsMount
from yadokari_builder.run.mounts.secrets import Secrets
from yadokari_builder.run.mounts.ssh import Agents, SshMount


@dataclass(frozen=True, slots=True)
class Provisions:
    """What a build has to mount.

    `fill` gives the files at an in-root path of a source, `name_of` names a source's content: the same name
    in another build means the same files.
    """

    fill: Callable[[Source, str], Fill]
    name_of: Callable[[Source], str]
    caches: CacheStore
    secrets: Secrets
    agents: Agents


@dataclass(slots=True)
class Mounts:
    """The mounts of one step, and what comes with them: secrets as variables, where an agent listens."""

    mounts: list[Mount] = field(default_factory=list)
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
                _add_secret(answered, request, provisions.secrets)
            case SshRequest():
                _add_agent(answered, request, provisions.agents)
            case CacheRequest():
                answered.mounts.append(_cache(request, provisions))
            case TmpfsRequest():
                answered.mounts.append(TmpfsMount(request.target, request.size))
            case BindRequest(target=target, source=source, path=path):
                answered.mounts.append(BindMount(target, provisions.fill(source, path), request.readonly))
    return answered


def _cache(request: CacheRequest, provisions: Provisions) -> CacheMount:
    source, path = request.source, request.path
    key = CacheKey(
        request.id,
        content=f"{provisions.name_of(source)}:{path}" if source is not None else "",
        uid=request.uid,
        gid=request.gid,
        mode=request.mode,
    )
    fill = provisions.fill(source, path) if source is not None and request.is_filled else None
    return CacheMount(request.target, key, provisions.caches, fill, request.sharing, request.readonly)


def _add_secret(answered: Mounts, request: SecretRequest, secrets: Secrets) -> None:
    value = secrets.find(request.id, required=request.required)
    if request.variable:
        # As with BuildKit, one that is not there is a variable that is empty, and no file.
        answered.secrets[request.variable] = (value or b"").decode("utf-8", "surrogateescape")
    if request.target and value is not None:
        answered.mounts.append(FileMount(request.target, value, request.uid, request.gid, request.mode))


def _add_agent(answered: Mounts, request: SshRequest, agents: Agents) -> None:
    answered.agent = answered.agent or request.target
    agent = agents.find(request.id, required=request.required)
    if agent is not None:
        answered.mounts.append(SshMount(request.target, agent, request.uid, request.gid, request.mode))
