"""Metadata of resources, without what they hold: all that is needed to know that something has changed.

Lists come in pages and watches as streams, so that memory is bounded by one page and one event, whatever else
lives in the cluster (https://kubernetes.io/docs/reference/using-api/api-concepts/).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from yadokari_api.keys import Key
from yadokari_operator.cluster.api import Api, ClusterError, GarbledError

_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_ONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_GONE = 410
_PAGE = 50
"""Annotations may hold 256 KiB, such as all that `kubectl apply` was given."""

_WATCH_SECONDS = 60
SILENCE = _WATCH_SECONDS + 15
"""A watch ends by itself before that, so one that is silent for so long is dead."""


class ExpiredError(ClusterError):
    """The server has forgotten the version that a list or a watch was to go on from: begin anew."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list: metadata, the version at which the whole list was read, and where the rest begins."""

    items: tuple[Mapping[str, Any], ...]
    version: str
    more: str


@dataclass(frozen=True, slots=True)
class Change:
    """A step of a watch, up to `version`: of one resource, or of none that matters."""

    key: Key | None
    version: str


class Metadata:
    """The metadata of all resources of one kind, in one namespace or in all of them."""

    def __init__(self, api: Api, path: str, selector: str = "", fields: str = "") -> None:
        self._api = api
        self._path = path
        chosen = {"labelSelector": selector, "fieldSelector": fields}
        self._selection = {name: value for name, value in chosen.items() if value}

    def pages(self, limit: int = _PAGE) -> Iterator[Page]:
        """List in pages of at most `limit`. Raises `ClusterError`."""
        more = ""
        while True:
            query = self._selection | {"limit": str(limit)} | ({"continue": more} if more else {})
            try:
                found = self._api.request("GET", self._path, query=query, accept=_LIST)
            except ClusterError as error:
                raise _expired(error) from None
            page = self._page(found)
            yield page
            more = page.more
            if not more:
                return

    def _page(self, found: Any) -> Page:
        try:
            head = found["metadata"]
            # An empty list of metadata has null for its items.
            items = tuple(item["metadata"] for item in found["items"] or ())
            return Page(items, head["resourceVersion"], head.get("continue") or "")
        except (KeyError, TypeError, AttributeError):
            raise GarbledError(f"GET {self._path}: the answer is no list") from None

    def changes(self, version: str) -> Iterator[Change]:
        """Follow all changes since a version, until the server ends the watch. Raises `ClusterError`.

        The first step is none: it tells that the server follows.
        """
        query = self._selection | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        try:
            with self._api.stream(self._path, query=query, accept=_ONE, silence=SILENCE) as steps:
                yield Change(None, version)
                yield from map(_change, steps)
        except ClusterError as error:
            raise _expired(error) from None


def key_of(metadata: Mapping[str, Any]) -> Key:
    """Tell whose metadata it is; what is of the whole cluster has no namespace."""
    return Key(metadata.get("namespace", ""), metadata["name"])


def _change(step: Mapping[str, Any]) -> Change:
    try:
        kind, value = step["type"], step["object"]
        if kind != "ERROR":
            metadata = value["metadata"]
            return Change(None if kind == "BOOKMARK" else key_of(metadata), metadata["resourceVersion"])
        error = ClusterError(str(value.get("message", value)), status=value.get("code", 0))
    except (KeyError, TypeError, AttributeError):
        error = GarbledError("the answer is no step of a watch")
    raise error


def _expired(error: ClusterError) -> ClusterError:
    return ExpiredError(str(error), status=error.status) if error.status == _GONE else error
