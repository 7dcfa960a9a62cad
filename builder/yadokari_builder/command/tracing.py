"""The trace of a build: written when it has ended, of what was timed meanwhile, and sent in one request.

Names are those of kaniko's fork (osscontainertools/kaniko) where it has any. Whatever becomes of it, the
build's result stands: it was written before, and nothing waits for longer than the timeout.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise
from urllib.parse import urlsplit

from yadokari_builder.build.progress import TimedStep
from yadokari_builder.build.session import Session
from yadokari_builder.errors import BuilderError
from yadokari_builder.registry.http.connections import Network
from yadokari_builder.registry.http.proxies import read_proxies
from yadokari_builder.registry.http.tls import read_trust
from yadokari_builder.registry.http.transport import Transport, TransportError, origin
from yadokari_contract import VERSION
from yadokari_contract.results.build import BuildResult
from yadokari_contract.telemetry.otlp import Export, ExportError, read_export, without_effect
from yadokari_contract.telemetry.trace import TRACEPARENT, Span, TraceContext, Value, written

logger = logging.getLogger(__name__)

_SERVICE = "yadokari-executor"
_LOOK_UP_SECONDS = 2.0
_MOST_STEPS = 1_000


@dataclass(frozen=True, slots=True)
class Tracing:
    """A trace under way; `offset` is what the session's clock lacks of the time since the epoch."""

    session: Session
    export: Export
    network: Network
    parent: str
    root: TraceContext
    began: float
    offset: float

    @classmethod
    def begin(cls, session: Session) -> "Tracing | None":
        """Begin one, before any step runs; None where none is wanted or it cannot be sent, which is told."""
        environment = session.environment
        try:
            export = read_export(environment, _SERVICE)
            if export is None:
                return None
            network = Network(read_trust(environment), proxies=read_proxies(environment))
        except (ExportError, BuilderError) as error:
            logger.warning("no trace is sent: %s", error)
            return None
        parent = TraceContext.parse(environment.get(TRACEPARENT, ""))
        if parent and not parent.sampled:
            return None
        for remark in without_effect(environment):
            logger.info("%s", remark)
        # Steps can change what names mean: who is told, and gets the headers, is found out before.
        _within(_LOOK_UP_SECONDS, lambda: network.learn([urlsplit(export.url).hostname or ""]))
        network.addresses.freeze()
        if not network.is_trusted(export.url):
            logger.warning("no trace is sent: %s cannot be found", origin(export.url))
            return None
        own = secrets.token_hex(16)
        root = parent.below(own) if parent else TraceContext.derived(own)
        now = session.clock()
        return cls(session, export, network, parent.span if parent else "", root, now, time.time() - now)

    def finish(self, result: BuildResult) -> None:
        """Send the trace of a build that has come to a result; what hinders that is told."""
        body = written(self.spans(result), self.export.resource)
        answers: list[int | TransportError] = []
        _within(self.export.timeout, lambda: answers.append(self._post(body)))
        match answers:
            case [int(status)] if 200 <= status < 300:
                logger.debug("the trace %s is sent", self.root.trace)
            case [int(status)]:
                logger.warning("the trace is lost: %s answers %d", origin(self.export.url), status)
            case [TransportError() as error]:
                logger.warning("the trace is lost: %s", error)
            case _:
                logger.warning(
                    "the trace is lost: %s does not answer within %g s",
                    origin(self.export.url),
                    self.export.timeout,
                )

    def spans(self, result: BuildResult) -> Iterator[Span]:
        """Write the build, its phases, its stages and their steps."""
        now = self.session.clock()
        error = result.failure.message if result.failure else None
        yield Span(
            context=self.root,
            parent=self.parent,
            name="build",
            start=self.began + self.offset,
            end=now + self.offset,
            attributes=self._about(result),
            error=error,
        )
        for number, phase in enumerate(self.session.phases.timings):
            # That of the steps is told by stages.
            if phase.name != "build":
                yield self._span(self.root, f"phase {number}", phase.name, phase.started, phase.ended)
        yield from self._steps(now, error)

    def _steps(self, now: float, error: str | None) -> Iterator[Span]:
        steps = self.session.progress.timings[:_MOST_STEPS]
        ends = [step.ended or after.started for step, after in pairwise(steps)]
        ends += [step.ended or now for step in steps[-1:]]
        number = 0
        for index, found in groupby(zip(steps, ends, strict=True), key=lambda it: it[0].stage):
            group = list(found)
            stage = self.root.below(f"stage {number}")
            whose = error if group[-1][0].ended is None else None
            about = {"kaniko.stage": index, "kaniko.stage.name": _name(group[0][0])}
            yield self._span(
                self.root, f"stage {number}", "Stage", group[0][0].started, group[-1][1], about, whose
            )
            for place, (step, end) in enumerate(group):
                failed = error if step.ended is None else None
                what = _of_step(step, place)
                yield self._span(stage, f"step {number}", "Command", step.started, end, what, failed)
                number += 1

    def _span(
        self,
        parent: TraceContext,
        key: str,
        name: str,
        start: float,
        end: float,
        about: Mapping[str, Value] | None = None,
        error: str | None = None,
    ) -> Span:
        return Span(
            context=parent.below(key),
            parent=parent.span,
            name=name,
            start=start + self.offset,
            end=end + self.offset,
            attributes=about or {},
            error=error,
        )

    def _about(self, result: BuildResult) -> Mapping[str, Value]:
        spec = self.session.spec
        about: dict[str, Value | None] = {
            "kaniko.version": f"yadokari {VERSION}",
            "kaniko.dockerfile": spec.dockerfile,
            "kaniko.target": ",".join(spec.targets),
            "host.name": self.session.environment.get("HOSTNAME"),
            "yadokari.image.digest": result.digest or None,
            "yadokari.image.size": result.size or None,
            "yadokari.steps.total": result.total_steps,
            "yadokari.steps.cached": result.cached,
            "yadokari.steps.performed": result.performed,
            "yadokari.steps.untold": max(0, len(self.session.progress.timings) - _MOST_STEPS) or None,
            "error.type": result.failure.reason if result.failure else None,
        }
        return {name: value for name, value in about.items() if value is not None}

    def _post(self, body: bytes) -> int | TransportError:
        seconds = self.export.timeout
        transport = Transport(self.network, connect_timeout=seconds, read_timeout=seconds)
        headers = {"Content-Type": "application/json", **self.export.headers}
        try:
            answer = transport.send(
                "POST", self.export.url, headers=headers, body=body, confidential=bool(self.export.headers)
            )
            # What it says beside that is nobody's business.
            answer.response.close()
        except TransportError as error:
            return error
        return answer.status


def _name(step: TimedStep) -> str:
    return "" if step.stage_name == str(step.stage) else step.stage_name


def _of_step(step: TimedStep, place: int) -> Mapping[str, Value]:
    about: dict[str, Value] = {
        "kaniko.command": step.text,
        "kaniko.instruction.index": place,
        "kaniko.instruction.line": step.line,
        "kaniko.stage": step.stage,
    }
    if step.key:
        about |= {"kaniko.cache.hit": step.cached, "kaniko.cache.key": step.key}
    if step.size is not None:
        about["yadokari.layer.size"] = step.size
    return about


def _within(seconds: float, do: Callable[[], object]) -> None:
    """Do something, in a thread that is left to itself where it takes longer."""
    thread = threading.Thread(target=do, name="trace", daemon=True)
    thread.start()
    thread.join(seconds)
