"""A build's result and the termination message that carries it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from yadokari_contract.results.bounded import dump, excess, keep_end, keep_first, keep_start, within
from yadokari_contract.results.lodging import LodgingResult

_MISS_BYTES = 256
"""What a miss may take: a file's name may have bytes that JSON writes as six."""


class ResultError(ValueError):
    """A termination message is not a result."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a build failed: a CamelCase reason, a message for people, the Dockerfile's line and stage.

    `line` is 1-based; 0 means that no line is to blame. `stage` is the name of the stage that was built, or
    its number (from 0); "" before the first one.
    """

    reason: str
    message: str
    line: int = 0
    log_tail: str = ""
    stage: str = ""


@dataclass(frozen=True, slots=True)
class Phase:
    """A named part of the build and how long it took, in seconds."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class BaseImage:
    """An image that a build began with or took files from, by its name in the Dockerfile.

    `digest` is what a registry gave for the name: that of an index where it is one.
    """

    reference: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """What came of a build.

    `digest` is the manifest's, `size` the bytes of its compressed layers, `images` what was pushed, `steps`
    how many steps were done of `total_steps`. Of those that change files, `cached` is how many an earlier
    build had done, `performed` how many this one did, and `missed` how many of these, and of the one that
    failed, were looked for in the cache; `misses` names these, and why they were not there, without those
    that missed only because one below them did. `saved` is how many seconds those that are cached took when
    they were done. `context` is what the build context's location was resolved to: a commit, a digest or an
    ETag; "" for a folder. `bases` are the images that it needed. Both are there also where the build failed.
    `already_pushed` is whether the image was there, and nothing built. `lodging` is what came of the base
    image that the container was said to be, and which one it could be.
    """

    digest: str = ""
    size: int = 0
    images: tuple[str, ...] = ()
    context: str = ""
    bases: tuple[BaseImage, ...] = ()
    already_pushed: bool = False
    phases: tuple[Phase, ...] = ()
    steps: int = 0
    total_steps: int = 0
    cached: int = 0
    performed: int = 0
    missed: int = 0
    misses: tuple[str, ...] = ()
    saved: float = 0
    lodging: LodgingResult | None = None
    failure: Failure | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the image was built and everything asked for was done."""
        return self.failure is None


def format_result(result: BuildResult) -> str:
    """Write a result as JSON of at most `MAX_BYTES`.

    Of each miss there are `_MISS_BYTES`. Where it is too long the misses after the first go first, the last
    before those before it, then the log's beginning, then the message's end, then the first miss and what is
    said of the lodging, phases, images and bases.
    """
    result = replace(result, misses=tuple(within(miss, _MISS_BYTES) for miss in result.misses))
    result = replace(result, misses=keep_first(result.misses, excess(dump(asdict(result)))))
    text = dump(asdict(result))
    if result.failure and excess(text):
        tail = keep_end(result.failure.log_tail, excess(text))
        result = replace(result, failure=replace(result.failure, log_tail=tail))
        text = dump(asdict(result))
    if result.failure and excess(text):
        message = keep_start(result.failure.message, excess(text))
        result = replace(result, failure=replace(result.failure, message=message))
        text = dump(asdict(result))
    lodging = result.lodging and replace(result.lodging, message="")
    brief = replace(result, misses=(), lodging=lodging)
    for shorter in (
        brief,
        replace(brief, phases=()),
        replace(brief, phases=(), images=()),
        replace(brief, phases=(), images=(), bases=()),
    ):
        text = dump(asdict(shorter)) if excess(text) else text
    return text


def parse_result(text: str) -> BuildResult:
    """Read what `format_result` wrote; fields that are not known are left out.

    Raises `ResultError` for anything else.
    """
    data = read_object(text)
    try:
        failure, lodging = data.get("failure"), data.get("lodging")
        return BuildResult(
            digest=typed(data, "digest", str, ""),
            size=typed(data, "size", int, 0),
            images=tuple(str(image) for image in typed(data, "images", list, [])),
            context=typed(data, "context", str, ""),
            already_pushed=typed(data, "already_pushed", bool, False),
            bases=tuple(
                BaseImage(str(base["reference"]), str(base["digest"]))
                for base in typed(data, "bases", list, [])
            ),
            phases=tuple(Phase(str(p["name"]), float(p["seconds"])) for p in typed(data, "phases", list, [])),
            steps=typed(data, "steps", int, 0),
            total_steps=typed(data, "total_steps", int, 0),
            cached=typed(data, "cached", int, 0),
            performed=typed(data, "performed", int, 0),
            missed=typed(data, "missed", int, 0),
            misses=tuple(str(miss) for miss in typed(data, "misses", list, [])),
            saved=float(data.get("saved", 0)),
            lodging=None if lodging is None else _read_lodging(lodging),
            failure=None if failure is None else read_failure(failure),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ResultError(f"not a result: {error!r}") from None


def read_object(text: str) -> Mapping[str, Any]:
    """Read a JSON object; raises `ResultError`."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ResultError(f"not JSON: {error}") from None
    if not isinstance(data, dict):
        raise ResultError("not a JSON object")
    return data


def read_failure(data: Mapping[str, Any]) -> Failure:
    """Read a failure's JSON object; raises `KeyError` or `TypeError` for anything else."""
    return Failure(
        reason=str(data["reason"]),
        message=str(data["message"]),
        line=typed(data, "line", int, 0),
        log_tail=str(data.get("log_tail", "")),
        stage=typed(data, "stage", str, ""),
    )


def _read_lodging(data: Mapping[str, Any]) -> LodgingResult:
    stage, reason, message, image = (
        typed(data, name, str, "") for name in ("stage", "reason", "message", "image")
    )
    return LodgingResult(stage, reason, message, image, float(data.get("unpacking", 0)))


def typed(data: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    """Return a field of a JSON object, or the default; raises `TypeError` for one of another type."""
    value = data.get(name, default)
    if not isinstance(value, kind):
        raise TypeError(f"{name} is not of type {kind.__name__}")
    return value
