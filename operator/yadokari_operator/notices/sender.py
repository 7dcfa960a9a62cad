"""Send notices, in a thread of their own: whatever becomes of them, no build waits for it."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

import urllib3

from yadokari_api.keys import Key
from yadokari_contract.proxies import Proxies
from yadokari_operator.notices.notice import Notice, body_signature, signature
from yadokari_operator.sinks import pool_for

logger = logging.getLogger(__name__)

_MOST = 1000
"""ImageBuilds of which something waits; of further ones it is told when they are looked at again."""

_TIMEOUT = urllib3.Timeout(connect=5, read=10)
_FIRST_DELAY = 1.0
_LONGEST_DELAY = 60.0
_AGAIN = frozenset({407, 408, 425, 429})
"""Of 4xx those that are no word of the sink's about the notice: a proxy's, or of when it came."""


class Sender:
    """Posts notices to a URL until it takes them.

    What a sink answers by 3xx or 4xx it takes at no other time, so that is dropped. `changed` is told of
    whose notice was sent; `key` signs them where it is not empty.
    """

    def __init__(
        self, url: str, key: str, form: str, changed: Callable[[Key], None], proxies: Proxies
    ) -> None:
        self._url = url
        self._key = key
        self._form = form
        self._changed = changed
        self._pool = pool_for(url, proxies, _TIMEOUT)
        self._waiting: dict[Key, Sequence[Notice]] = {}
        self._told: dict[Key, str] = {}
        self._news = threading.Condition()

    def told(self, key: Key) -> str:
        """Give the mark of the latest notice of an ImageBuild that was sent; nothing if there was none."""
        return self._told.get(key, "")

    def offer(self, key: Key, notices: Iterable[Notice]) -> None:
        """Have these sent, in the place of what waits of the same ImageBuild."""
        wanted = tuple(notices)
        with self._news:
            self._waiting.pop(key, None)
            if wanted and len(self._waiting) < _MOST:
                self._waiting[key] = wanted
                self._news.notify()
            elif wanted:
                logger.warning("%s: too many notices wait for %s: told later", key, self._host)

    def forget(self, key: Key) -> None:
        """Note that an ImageBuild is no more; what waits of it is sent all the same."""
        self._told.pop(key, None)

    def run(self) -> None:
        """Send without end."""
        delay = _FIRST_DELAY
        while True:
            with self._news:
                while not self._waiting:
                    self._news.wait()
                key = next(iter(self._waiting))
                notices = self._waiting.pop(key)
            if all(map(self._send, notices)):
                delay = _FIRST_DELAY
                continue
            with self._news:
                # Behind the others: perhaps it is this one alone that the sink does not take.
                self._waiting.setdefault(key, notices)
            time.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)

    @property
    def _host(self) -> str:
        """Who it is, without what may be secret in a URL."""
        return urllib3.util.parse_url(self._url).netloc or "the sink"

    def _send(self, notice: Notice) -> bool:
        """Send once, unless that was done; tells whether that was the end of it."""
        if self.told(notice.key) == notice.mark:
            return True
        if not self._post(notice):
            return False
        self._told[notice.key] = notice.mark
        self._changed(notice.key)
        return True

    def _post(self, notice: Notice) -> bool:
        """Send once; tells whether that was the end of it."""
        body = notice.as_cloud_event() if self._form == "CloudEvents" else notice.as_text()
        kind = "application/cloudevents+json" if self._form == "CloudEvents" else "application/json"
        now = int(time.time())
        headers = {"Content-Type": kind, "webhook-id": notice.id, "webhook-timestamp": str(now)}
        if self._key:
            headers["webhook-signature"] = signature(self._key, notice.id, now, body)
            headers["X-Signature"] = body_signature(self._key, body)
        try:
            answer = self._pool.request(
                "POST", self._url, body=body, headers=headers, redirect=False, preload_content=False
            )
            # What it says beside its status may have no end.
            answer.close()
        except urllib3.exceptions.HTTPError as error:
            logger.warning("%s: %s does not take a notice: %s", notice.key, self._host, type(error).__name__)
            return False
        if answer.status < 300:
            return True
        refused = answer.status < 500 and answer.status not in _AGAIN
        end = "it is dropped" if refused else "trying again"
        logger.warning("%s: %s answers a notice with %d: %s", notice.key, self._host, answer.status, end)
        return refused
