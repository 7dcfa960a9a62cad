"""A build's result and the termination message that carries it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

MAX_BYTES = 4096
"""What Kubernetes keeps of a container's termination message."""

_MARK = "…"


class ResultError(ValueError):
    """A termination message is not a result."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a build failed: a CamelCase reason, a message for people, the Dockerfile's line.

    `line` is 1-based; 0 means that no line is to blame.
    """

    reason: str
    message: str
    line: int = 0
    log_tail: str = ""


@dataclass(frozen=True, slots=True)
class Phase:
    """A named part of the build and how long it took, in seconds."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """What came of a build.

    `digest` is the manifest's, `size` the bytes of its compressed layers, `images` what was pushed, `steps`
    how many steps were done of `total_steps`, `cached` how many of them an earlier build had done. `context`
    is what the build context's location was resolved to: a commit, a digest or an ETag; "" for a folder.
    """

    digest: str = ""
    size: int = 0
    images: tuple[str, ...] = ()
    context: str = ""
    phases: tuple[Phase, ...] = ()
    steps: int = 0
    total_steps: int = 0
    cached: int = 0
    failure: Failure | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the image was built and everything asked for was done."""
        return self.failure is None


def format_result(result: BuildResult) -> str:
    """Write a result as JSON of at most `MAX_BYTES`.

    Where it is too long the log's beginning goes first, then the message's end, then phases and images.
    """
    text = _dump(result)
    if result.failure and _excess(text):
        tail = _keep_end(result.failure.log_tail, _excess(text))
        result = replace(result, failure=replace(result.failure, log_tail=tail))
        text = _dump(result)
    if result.failure and _excess(text):
        message = _keep_start(result.failure.message, _excess(text))
        result = replace(result, failure=replace(result.failure, message=message))
        text = _dump(result)
    while _excess(text) and (result.phases or result.images):
        result = replace(result, phases=(), images=() if not result.phases else result.images)
        text = _dump(result)
    return text


def parse_result(text: str) -> BuildResult:
    """Read what `format_result` wrote; fields that are not known are left out.

    Raises `ResultError` for anything else.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ResultError(f"not JSON: {error}") from None
    if not isinstance(data, dict):
        raise ResultError("not a JSON object")
    try:
        failure = data.get("failure")
        return BuildResult(
            digest=_typed(data, "digest", str, ""),
            size=_typed(data, "size", int, 0),
            images=tuple(str(image) for image in _typed(data, "images", list, [])),
            context=_typed(data, "context", str, ""),
            phases=tuple(
                Phase(str(p["name"]), float(p["seconds"])) for p in _typed(data, "phases", list, [])
            ),
            steps=_typed(data, "steps", int, 0),
            total_steps=_typed(data, "total_steps", int, 0),
            cached=_typed(data, "cached", int, 0),
            failure=None if failure is None else _failure(failure),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ResultError(f"not a result: {error!r}") from None


def _failure(data: Mapping[str, Any]) -> Failure:
    return Failure(
        reason=str(data["reason"]),
        message=str(data["message"]),
        line=_typed(data, "line", int, 0),
        log_tail=str(data.get("log_tail", "")),
    )


def _typed(data: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    value = data.get(name, default)
    if not isinstance(value, kind):
        raise TypeError(f"{name} is not of type {kind.__name__}")
    return value


def _dump(result: BuildResult) -> str:
    return (
        json.dumps(asdict(result), ensure_ascii=False, separators=(",", ":"))
        .encode("utf-8", "replace")
        .decode()
    )


def _excess(text: str) -> int:
    return max(0, len(text.encode()) - MAX_BYTES)


def _keep_end(text: str, excess: int) -> str:
    return _shortened(text, excess, lambda kept: _MARK + text[len(text) - kept :])


def _keep_start(text: str, excess: int) -> str:
    return _shortened(text, excess, lambda kept: text[:kept] + _MARK)


def _shortened(text: str, excess: int, cut: Any) -> str:
    """Cut characters until the JSON form of `text` is `excess` bytes shorter, or nothing is left."""
    budget = _json_bytes(text) - excess
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _json_bytes(cut(middle)) <= budget else (low, middle - 1)
    shortened: str = cut(low) if low else ""
    return shortened


def _json_bytes(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace"))
