"""Who is told what becomes of ImageBuilds, beside those who read their status: metrics, log, sink, traces."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from yadokari_api.imagebuild import ImageBuild
from yadokari_api.keys import Key
from yadokari_api.status import Status
from yadokari_operator import journal
from yadokari_operator.metrics import Metrics
from yadokari_operator.notices.notice import due, mark_of
from yadokari_operator.notices.sender import Sender
from yadokari_operator.pods.errands.observed import ErrandPod
from yadokari_operator.pods.observed import Pod
from yadokari_operator.reports import Reconciled

if TYPE_CHECKING:
    from yadokari_operator.traces.sender import TraceSender


class Telling:
    """Tells all of them; without a `sender` there is no sink, without `traces` nobody who takes those."""

    def __init__(
        self, metrics: Metrics, sender: Sender | None = None, traces: "TraceSender | None" = None
    ) -> None:
        self.metrics = metrics
        self._sender = sender
        self._traces = traces

    def marked(self, build: ImageBuild, status: Status) -> Status:
        """Add to a status that is about to be stored how far the sink was told of it."""
        if self._sender is None:
            return status
        return replace(status, notified=mark_of(build.status, status, self._sender.told(build.key)))

    def stored(self, build: ImageBuild, status: Status, now: datetime) -> None:
        """Tell what has changed, now that it is stored."""
        self.metrics.seen(build.key, build.status, status, now)
        journal.tell(build.key, build.status, status)
        if self._sender:
            self._sender.offer(build.key, due(build, status))

    def reconciled(self, build: ImageBuild, pods: Sequence[Pod | ErrandPod], seen: Reconciled) -> None:
        """Tell of a run that has ended, now that its end is stored."""
        if self._traces is None:
            return
        from yadokari_operator.traces.run import ended

        if spans := list(ended(build, pods, seen)):
            self._traces.offer(build.key, spans)

    def gone(self, key: Key) -> None:
        """Note that an ImageBuild is no more."""
        self.metrics.gone(key)
        if self._sender:
            self._sender.forget(key)
