"""Credentials that a cloud makes for a while, for its own registries."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from yadokari_builder.errors import RegistryError
from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.credentials.credential import Credential

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lease:
    """A credential, and for how many seconds it is good from now on."""

    credential: Credential
    life: float


@dataclass(slots=True)
class Cloud:
    """A place that asks a cloud about the registries that are its own, as `serves` says.

    `lend` gives a lease for such a registry, None where the cloud does not know who asks; it raises
    `RegistryError`. What is good still is not asked for again. May be used by several threads.
    """

    serves: Callable[[str], bool]
    lend: Callable[[str], Lease | None]
    clock: Callable[[], float] = time.monotonic
    _lock: Lock = field(default_factory=Lock, repr=False)
    _leases: dict[str, tuple[Credential | None, float]] = field(default_factory=dict, repr=False)
    _refusals: dict[str, str] = field(default_factory=dict)

    def find(self, repository: Repository) -> Credential | None:
        """Return the credential for a repository; raises `RegistryError` where trying again may help."""
        registry = repository.registry
        if not self.serves(registry):
            return None
        with self._lock:
            credential, end = self._leases.get(registry, (None, 0))
            if end <= self.clock():
                credential, life = self._borrow(registry)
                self._leases[registry] = (credential, self.clock() + life)
            return credential

    def hint(self, repository: Repository) -> str:
        """Say why there is no credential for a repository; "" if there is nothing more to say."""
        return self._refusals.get(repository.registry, "")

    def _borrow(self, registry: str) -> tuple[Credential | None, float]:
        try:
            lease = self.lend(registry)
        except RegistryError as error:
            if error.temporary:
                raise
            logger.warning("there are no credentials for %s: %s", registry, error)
            self._refusals[registry] = str(error)
            lease = None
        # A tenth is left for the request that it is wanted for; who has nothing will not have it later.
        return (lease.credential, 0.9 * lease.life) if lease else (None, float("inf"))
