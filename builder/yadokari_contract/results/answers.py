"""What the verbs `index` and `resolve` answer, as JSON for the termination message."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from yadokari_contract.reasons import Reason
from yadokari_contract.results.bounded import dump, excess, keep_start
from yadokari_contract.results.build import Failure, ResultError, read_failure, read_object, typed

_SHORTER = (1000, 300, 100, 30)
_CONTROL = "\x00"
"""The character that is longest in JSON."""


@dataclass(frozen=True, slots=True)
class IndexedImage:
    """An image of an index: its platform (OS/ARCHITECTURE[/VARIANT]) and its manifest's digest.

    `size` is the bytes of its compressed layers.
    """

    platform: str
    digest: str
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexResult:
    """What came of `index`: the index's digest, what was pushed, and the images in it.

    `digest`, `size` (bytes of all images' compressed layers), `images` and `failure` are those of a
    `BuildResult`, and `parse_result` reads them, too.
    """

    digest: str = ""
    size: int = 0
    images: tuple[str, ...] = ()
    manifests: tuple[IndexedImage, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a name points at now: `resolved` is the digest of an image's manifest or index, or a commit."""

    name: str
    resolved: str = ""
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveResult:
    """What came of `resolve`: an item for each name, in the order of the arguments.

    Where all of them would be too long, those at the end are left out: `omitted` says how many. `failure` is
    one of the whole, such as credentials that cannot be read; then there are no items.
    """

    items: tuple[Resolution, ...] = ()
    omitted: int = 0
    failure: Failure | None = None


def format_index_result(result: IndexResult) -> str:
    """Write a result as JSON of at most `MAX_BYTES`.

    Where it is too long the message's end goes first, then what was pushed, then the images.
    """
    text = _index_text(result)
    if result.failure and excess(text):
        message = keep_start(result.failure.message, excess(text))
        result = replace(result, failure=replace(result.failure, message=message))
        text = _index_text(result)
    for shorter in (replace(result, images=()), replace(result, images=(), manifests=())):
        text = _index_text(shorter) if excess(text) else text
    return text


def parse_index_result(text: str) -> IndexResult:
    """Read what `format_index_result` wrote; fields that are not known are left out.

    Raises `ResultError` for anything else.
    """
    data = read_object(text)
    try:
        return IndexResult(
            digest=typed(data, "digest", str, ""),
            size=typed(data, "size", int, 0),
            images=tuple(str(image) for image in typed(data, "images", list, [])),
            manifests=tuple(
                IndexedImage(str(each["platform"]), str(each["digest"]), typed(each, "size", int, 0))
                for each in typed(data, "manifests", list, [])
            ),
            failure=_read_failure(data),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ResultError(f"not a result: {error!r}") from None


def format_resolve_result(result: ResolveResult, *, bounded: bool = True) -> str:
    """Write a result as JSON, of at most `MAX_BYTES` where it is `bounded`.

    Where it is too long messages are cut, and if that does not help items at the end left out.
    """
    text = _resolve_text(result)
    if not bounded:
        return text
    for longest in _SHORTER if excess(text) else ():
        result = replace(
            result,
            items=tuple(replace(item, failure=_cut(item.failure, longest)) for item in result.items),
            failure=_cut(result.failure, longest),
        )
        text = _resolve_text(result)
        if not excess(text):
            return text
    return _resolve_text(_first(result, _fitting(result))) if excess(text) else text


def surely_answered(names: Sequence[str]) -> int:
    """Tell how many of some names, from the first one on, `resolve` answers whatever happens."""
    longest = f"{_CONTROL * _SHORTER[-1]}…"
    worst = max((reason.value for reason in Reason), key=len)
    items = tuple(Resolution(name, failure=Failure(worst, longest)) for name in names)
    return _fitting(ResolveResult(items=items))


def parse_resolve_result(text: str) -> ResolveResult:
    """Read what `format_resolve_result` wrote; fields that are not known are left out.

    Raises `ResultError` for anything else.
    """
    data = read_object(text)
    try:
        return ResolveResult(
            items=tuple(
                Resolution(str(item["name"]), typed(item, "resolved", str, ""), _read_failure(item))
                for item in typed(data, "items", list, [])
            ),
            omitted=typed(data, "omitted", int, 0),
            failure=_read_failure(data),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ResultError(f"not a result: {error!r}") from None


def _fitting(result: ResolveResult) -> int:
    """Return how many items fit."""
    low, high = 0, len(result.items)
    while low < high:
        middle = (low + high + 1) // 2
        fits = not excess(_resolve_text(_first(result, middle)))
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def _first(result: ResolveResult, number: int) -> ResolveResult:
    left_out = len(result.items) - number
    return replace(result, items=result.items[:number], omitted=result.omitted + left_out)


def _index_text(result: IndexResult) -> str:
    return dump({**asdict(result), "failure": _failure(result.failure)})


def _resolve_text(result: ResolveResult) -> str:
    items = [
        {"name": item.name, "failure": _failure(item.failure)}
        if item.failure
        else {"name": item.name, "resolved": item.resolved}
        for item in result.items
    ]
    return dump({"items": items, "omitted": result.omitted, "failure": _failure(result.failure)})


def _failure(failure: Failure | None) -> Mapping[str, str] | None:
    return {"reason": failure.reason, "message": failure.message} if failure else None


def _read_failure(data: Mapping[str, Any]) -> Failure | None:
    failure = data.get("failure")
    return None if failure is None else read_failure(failure)


def _cut(failure: Failure | None, longest: int) -> Failure | None:
    if failure is None or len(failure.message) <= longest:
        return failure
    return replace(failure, message=f"{failure.message[:longest]}…")
