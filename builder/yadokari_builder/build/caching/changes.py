"""What has changed since a step was done last, for people."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from yadokari_builder.build.progress import counted
from yadokari_builder.cache.steps.entry import Trace
from yadokari_builder.dockerfile.quoting import printable

BELOW = "what is below it has changed"

_LONGEST_NAME = 200

_PARTS = {
    "instruction": "its variables lead to another instruction",
    "variables": "it sees other variables",
    "making": "layers are made in another way",
    "below": BELOW,
}


@dataclass(frozen=True, slots=True)
class Miss:
    """Why a step is not in the cache; it `follows` where that one below it was not is all there is to it."""

    why: str
    follows: bool = False


def changes(then: Trace, now: Trace) -> Iterator[str]:
    """Say in which parts two keys of an instruction differ."""
    if then.parts.get("files") != now.parts.get("files"):
        yield _files(then.files, now.files)
    for part, text in _PARTS.items():
        if then.parts.get(part) != now.parts.get(part):
            yield text
    if then.parts == now.parts:
        yield "it is not in the cache any more"


def _files(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    changed = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    if not (then and now and changed):
        return "the files that it takes have changed"
    # Names of then are whatever the cache says.
    first = printable(changed[0].lstrip("/")[:_LONGEST_NAME])
    return f"{counted(len(changed), 'file')} changed, first {first}"
