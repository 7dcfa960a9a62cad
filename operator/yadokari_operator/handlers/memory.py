"""What the operator remembers of ImageBuilds beside what the cluster holds: it fills again when it starts."""

from dataclasses import dataclass, field

from yadokari_api.keys import Key
from yadokari_operator.handlers.asking import Asking
from yadokari_operator.handlers.echoes import Echoes
from yadokari_operator.handlers.policies import Policies
from yadokari_operator.handlers.references import References
from yadokari_operator.handlers.rivals import Rivals
from yadokari_operator.progress.following import Following


@dataclass(frozen=True, slots=True)
class Memory:
    """Indexes over ImageBuilds, for use from several threads.

    `policies` knows which of them one keeps from being built, `following` whose logs tell progress,
    `references` which ConfigMaps and sources they are read with, `rivals` who pushes to the same places,
    `asking` who wants to know what names point at, `echoes` which of our writes needs no look.
    """

    policies: Policies
    following: Following
    references: References = field(default_factory=References)
    rivals: Rivals = field(default_factory=Rivals)
    asking: Asking = field(default_factory=Asking)
    echoes: Echoes = field(default_factory=Echoes)

    def forget(self, key: Key) -> frozenset[Key]:
        """Note that an ImageBuild is gone; tells whom that concerns."""
        self.references.replace(key, ())
        self.policies.release(key)
        self.following.forget(key)
        self.asking.note(key, "", ())
        self.echoes.forget(key)
        return self.rivals.replace(key, ())
