"""Resources as YAML 1.2, for people and for kubectl: enough of it to write what JSON can say."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./@-]*(?::[A-Za-z0-9_./@-]+)*", re.ASCII)
# What YAML 1.1, which kubectl reads as well, takes for something else than text.
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
_UNPRINTABLE = re.compile(r"[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_BLOCK = re.compile(r"(?!\s)[^\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]*\n?")


def as_yaml(resources: Sequence[Mapping[str, Any]]) -> str:
    """Write resources, one document each."""
    return "---\n".join("".join(f"{line}\n" for line in _mapping(resource, "")) for resource in resources)


def as_json(resources: Sequence[Mapping[str, Any]]) -> str:
    """Write resources as JSON: one as it is, several as a list."""
    whole = (
        resources[0] if len(resources) == 1 else {"apiVersion": "v1", "kind": "List", "items": [*resources]}
    )
    return json.dumps(whole, indent=4, ensure_ascii=False) + "\n"


def _mapping(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, item in value.items():
        yield from _entry(f"{indent}{_scalar(key)}:", item, indent)


def _entry(head: str, item: Any, indent: str) -> Iterator[str]:
    """Write a value behind its key, in the lines below where it does not fit."""
    if isinstance(item, Mapping) and item:
        yield head
        yield from _mapping(item, f"{indent}  ")
    elif isinstance(item, Sequence) and not isinstance(item, str) and item:
        yield head
        for one in item:
            yield from _item(one, f"{indent}  ")
    elif isinstance(item, str) and _is_block(item):
        yield f"{head} |{'' if item.endswith(chr(10)) else '-'}"
        yield from (f"{indent}  {line}" if line else "" for line in item.removesuffix("\n").split("\n"))
    else:
        yield f"{head} {_scalar(item)}"


def _item(value: Any, indent: str) -> Iterator[str]:
    if not (isinstance(value, Mapping) and value):
        yield f"{indent}- {_scalar(value)}"
        return
    first, *rest = _mapping(value, f"{indent}  ")
    yield f"{indent}- {first[len(indent) + 2 :]}"
    yield from rest


def _is_block(text: str) -> bool:
    """Tell whether a text of several lines can stand as it is."""
    return "\n" in text[:-1] and not text.endswith("\n\n") and _BLOCK.fullmatch(text) is not None


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))
