"""Read the pod of an errand: whose it is, and what came of it.

No step of a build can write its answer, but a registry may have had a hand in it, and whoever may write a
pod's status may have written all of it: digests are digests, and texts can be shown.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from yadokari_api.imagebuild import ImageBuild
from yadokari_contract import references
from yadokari_contract.results.answers import (
    IndexedImage,
    IndexResult,
    Resolution,
    ResolveResult,
    parse_index_result,
    parse_resolve_result,
)
from yadokari_contract.results.build import Failure, ResultError
from yadokari_contract.verbs import INDEX, RESOLVE
from yadokari_operator.pods.names import parse_errand_name
from yadokari_operator.pods.observed import KnownPod, known_of
from yadokari_operator.pods.outcome import (
    Failed,
    Running,
    Waiting,
    ended_well,
    finished_at,
    shown,
    termination_message,
    unfinished_or_failed,
)

_DIGEST = re.compile(references.DIGEST)
_RESOLVED = re.compile(rf"{references.DIGEST}|[0-9a-f]{{40}}|[0-9a-f]{{64}}")
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9_.]+)?")
_LARGEST = 2**53


@dataclass(frozen=True, slots=True)
class Answered:
    """The verb has told what it was asked for; a `ResolveResult` may have names that failed."""

    answer: IndexResult | ResolveResult
    finished: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrandPod(KnownPod):
    """The pod of an errand; the fields are those of `Errand`, and what came of it."""

    verb: str
    token: str
    number: int
    outcome: Waiting | Running | Answered | Failed

    @property
    def finished(self) -> datetime | None:
        """When it ended, if it has."""
        return self.outcome.finished if isinstance(self.outcome, Answered | Failed) else None


def parse_errand(resource: Mapping[str, Any], build: ImageBuild) -> ErrandPod | None:
    """Read a pod as the API server gives it; `None` if it is not that of an errand of this ImageBuild."""
    known = known_of(resource, build)
    named = parse_errand_name(build.key.name, resource["metadata"]["name"])
    if known is None or named is None:
        return None
    verb, token, number = named
    return ErrandPod(
        **known, verb=verb, token=token, number=number, outcome=_outcome(resource, _READERS[verb])
    )


def _outcome(resource: Mapping[str, Any], read: "_Reader") -> Waiting | Running | Answered | Failed:
    finished = finished_at(resource)
    answer = read(termination_message(resource), ended_well(resource)) if finished else None
    return Answered(answer, finished) if finished and answer else unfinished_or_failed(resource)


_Reader = Callable[[str, bool], IndexResult | ResolveResult | None]


def _index(text: str, well: bool) -> IndexResult | None:
    try:
        found = parse_index_result(text)
    except ResultError:
        return None
    if not well or found.failure or not _DIGEST.fullmatch(found.digest):
        return None
    return replace(
        found,
        size=found.size if 0 < found.size < _LARGEST else 0,
        images=tuple(map(shown, found.images)),
        manifests=tuple(filter(_is_image, found.manifests)),
    )


def _is_image(image: IndexedImage) -> bool:
    return (
        _PLATFORM.fullmatch(image.platform) is not None
        and _DIGEST.fullmatch(image.digest) is not None
        and 0 <= image.size < _LARGEST
    )


def _resolved(text: str, _: bool) -> ResolveResult | None:
    """Read what names point at: where one of them failed, the exit code is another one than 0."""
    try:
        found = parse_resolve_result(text)
    except ResultError:
        return None
    if found.failure or not found.items:
        return None
    return replace(found, items=tuple(map(_checked, found.items)), omitted=max(0, found.omitted))


def _checked(item: Resolution) -> Resolution:
    name = shown(item.name)
    if item.failure is not None:
        return Resolution(name, failure=Failure(shown(item.failure.reason), shown(item.failure.message)))
    if _RESOLVED.fullmatch(item.resolved):
        return Resolution(name, item.resolved)
    return Resolution(
        name, failure=Failure("InternalError", "it was resolved to what is no digest or commit")
    )


_READERS: Mapping[str, _Reader] = MappingProxyType({INDEX.name: _index, RESOLVE.name: _resolved})
