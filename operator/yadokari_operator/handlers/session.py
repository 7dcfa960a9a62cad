"""kopf's connection to the API server, by which no answer ends the operator.

kopf takes a connection that breaks for a reason to list and to watch anew, and what it cannot read for its
own end: the page of a proxy, an answer that was cut, an error of the server within a watch.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import kopf

logger = logging.getLogger(__name__)

_PAUSE = 3.0
"""Seconds until kopf is told, and asks again at once."""

_OK = 200
_GONE = 410


class UnreadableError(aiohttp.ClientConnectionError):
    """What the API server sent is not what it should be."""


async def log_in(settings: kopf.OperatorSettings, **more: Any) -> kopf.AiohttpSession:
    """Open the connection as kopf would."""
    info = kopf.login_via_client(settings=settings, **more)
    assert info is not None  # the client is there
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
        headers=info.as_http_headers(),
        trust_env=info.trust_env,
        response_class=Answer,
    )
    return kopf.AiohttpSession(server=info.server, aiohttp_session=session)


class Answer(aiohttp.ClientResponse):
    """An answer; raises `UnreadableError` while it is read."""

    async def start(self, connection: Any) -> "Answer":
        """Begin to read it."""
        await super().start(connection)
        if self.status == _OK and "watch" in self.url.query:
            self.content = _Steps(self.content)  # type: ignore[assignment]
        return self

    async def json(self, **how: Any) -> Any:
        """Read the whole of it."""
        try:
            found = await super().json(**how)
        except (ValueError, aiohttp.ContentTypeError):
            found = None
        if self.status == _OK and not isinstance(found, dict):
            raise await _unreadable("is no JSON of a list")
        return found


class _Steps:
    """What comes of a watch, of which kopf gets the lines that it goes on with."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        rest = b""
        async for data in self._content.iter_chunked(size):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                await _check(line)
                yield line + b"\n"
        if rest:
            raise await _unreadable("ends within a line")


async def _check(line: bytes) -> None:
    try:
        step = json.loads(line)
        kind, value = step["type"], dict(step["object"])
    except (ValueError, KeyError, TypeError):
        raise await _unreadable("is no JSON of a watch") from None
    if kind == "ERROR" and value.get("code") != _GONE:
        raise await _unreadable(f"is an error: {value.get('message', value)}")


async def _unreadable(problem: str) -> UnreadableError:
    logger.warning("cannot watch pods, trying on: what the API server sends %s", problem)
    await asyncio.sleep(_PAUSE)
    return UnreadableError(problem)
