"""Which policies are for a namespace, and which ImageBuilds one keeps from being built."""

import threading

from yadokari_api.keys import Key
from yadokari_api.policy import Policy
from yadokari_operator.cluster.resources import Cluster
from yadokari_operator.policies import Violation, in_order
from yadokari_operator.settings import POLICY, Settings


class Policies:
    """Policies as the cluster holds them, and behind them that of the operator's settings.

    An operator of one namespace has no right to what is of the whole cluster: it has that of its settings
    alone. It may be used from several threads.
    """

    def __init__(self, cluster: Cluster, settings: Settings) -> None:
        self._cluster = cluster
        self._of_cluster = not settings.namespace
        self._own = () if settings.policy is None else (Policy(f"{POLICY} of the operator", settings.policy),)
        self._lock = threading.Lock()
        self._refused: set[Key] = set()

    def of(self, build: Key) -> tuple[Policy, ...] | Violation:
        """Read the policies for an ImageBuild; until it is released, their changes concern it.

        Raises `ClusterError`.
        """
        with self._lock:
            # Before they are read: what changes after that is an event for this ImageBuild.
            self._refused.add(build)
        found = self._cluster.policies() if self._of_cluster else []
        selecting = any("namespaceSelector" in (it.get("spec") or {}) for it in found)
        policies = in_order(found, self._cluster.namespace_labels(build.namespace) if selecting else {})
        return policies if isinstance(policies, Violation) else (*policies, *self._own)

    def release(self, build: Key) -> None:
        """Note that no policy keeps an ImageBuild from being built, or that it is gone."""
        with self._lock:
            self._refused.discard(build)

    def refused(self) -> frozenset[Key]:
        """Tell what may be built when a policy changes."""
        with self._lock:
            return frozenset(self._refused)
