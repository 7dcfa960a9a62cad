"""What is watched beside pods: ImageBuilds, what these are read with, and policies."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from yadokari_api.keys import Key
from yadokari_operator.cluster.metadata import Metadata
from yadokari_operator.cluster.resources import FLUX_KINDS, Cluster
from yadokari_operator.handlers.memory import Memory
from yadokari_operator.handlers.watch import Watch, list_all, version_now


@dataclass(frozen=True, slots=True, kw_only=True)
class Watches:
    """Makes the watches of an operator that works in `namespace`, or in all where that is empty.

    `changed` is told which ImageBuilds have changed, `seen` which may have. `heard` is told of which kind the
    server says something.
    """

    cluster: Cluster
    namespace: str
    memory: Memory
    heard: Callable[[str], None]
    changed: Callable[[Key], None]
    seen: Callable[[Key], None]

    def builds(self) -> Watch:
        """Follow ImageBuilds."""
        metadata = self.cluster.image_builds(self.namespace)

        def begin() -> str:
            # Those that are known and not listed any more are gone.
            for key in self.memory.references.users():
                self.seen(key)
            return list_all(metadata, self.seen)

        is_echo = self.memory.echoes.is_one
        return Watch("ImageBuilds", metadata, begin, self.changed, is_echo=is_echo, heard=self.heard)

    def others(self) -> Iterator[Watch]:
        """Follow what ImageBuilds depend on."""
        yield self._source("ConfigMap", self.cluster.config_maps(self.namespace))
        for kind in FLUX_KINDS:
            yield self._source(kind, self.cluster.flux_sources(kind, self.namespace))
        if not self.namespace:
            yield self._policies()

    def _source(self, kind: str, metadata: Metadata) -> Watch:
        """Follow resources of a kind; what nobody refers to is of no interest, so they are not even listed.

        While nobody refers to any, nothing is asked for: the cluster need not know the kind.
        """
        references = self.memory.references

        def begin() -> str:
            version = version_now(metadata)
            for key in references.users_of_kind(kind):
                self.changed(key)
            return version

        def source_changed(source: Key) -> None:
            for key in references.users_of(kind, source):
                self.changed(key)

        return Watch(
            f"resources of kind {kind}",
            metadata,
            begin,
            source_changed,
            heard=self.heard,
            wanted=partial(references.await_users_of_kind, kind),
        )

    def _policies(self) -> Watch:
        """Follow policies: what one refuses, another version of it may allow."""
        metadata = self.cluster.policy_changes()

        def begin() -> str:
            version = version_now(metadata)
            look_again()
            return version

        def look_again(*_: Key) -> None:
            for key in self.memory.policies.refused():
                self.changed(key)

        return Watch("ImageBuildPolicies", metadata, begin, look_again, heard=self.heard)
