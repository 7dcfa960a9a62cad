"""Send spans, in a thread of their own: whatever becomes of them, no build waits for it."""

import logging
import queue
import time
from collections.abc import Sequence

import urllib3

from yadokari_api.keys import Key
from yadokari_contract.proxies import Proxies
from yadokari_contract.telemetry.otlp import Export
from yadokari_contract.telemetry.trace import Span, written
from yadokari_operator.sinks import pool_for

logger = logging.getLogger(__name__)

_MOST = 1000
"""Runs that wait to be told; of further ones nobody is."""

_DELAYS = (1.0, 5.0, 0.0)
_AGAIN = frozenset({429, 502, 503, 504})
"""Where the specification has a request tried again (opentelemetry-proto, docs/specification.md)."""


class TraceSender:
    """Posts spans to a collector; what it does not take in a few attempts is dropped, which is told."""

    def __init__(self, export: Export, proxies: Proxies, delays: Sequence[float] = _DELAYS) -> None:
        self._export = export
        self._delays = delays
        self._pool = pool_for(export.url, proxies, urllib3.Timeout(total=export.timeout))
        self._waiting: queue.Queue[tuple[Key, Sequence[Span]]] = queue.Queue(_MOST)

    def offer(self, key: Key, spans: Sequence[Span]) -> None:
        """Have the spans of a run of an ImageBuild sent."""
        try:
            self._waiting.put_nowait((key, spans))
        except queue.Full:
            logger.warning("%s: too many traces wait for %s: this one is dropped", key, self._host)

    def run(self) -> None:
        """Send without end."""
        while True:
            key, spans = self._waiting.get()
            self._send(key, written(spans, self._export.resource))

    @property
    def _host(self) -> str:
        return urllib3.util.parse_url(self._export.url).netloc or "the collector"

    def _send(self, key: Key, body: bytes) -> None:
        trouble = ""
        for delay in self._delays:
            trouble, may_help = self._post(body)
            if not may_help:
                break
            time.sleep(delay)
        if trouble:
            logger.warning("%s: %s does not take a trace (%s): it is dropped", key, self._host, trouble)

    def _post(self, body: bytes) -> tuple[str, bool]:
        """Send once; tells what went wrong, if anything did, and whether another attempt may help."""
        headers = {"Content-Type": "application/json", "User-Agent": "yadokari", **self._export.headers}
        try:
            answer = self._pool.request(
                "POST", self._export.url, body=body, headers=headers, redirect=False, preload_content=False
            )
            # What it says beside its status is nobody's business.
            answer.close()
        except urllib3.exceptions.HTTPError as error:
            return type(error).__name__, True
        return ("" if answer.status < 300 else str(answer.status)), answer.status in _AGAIN
