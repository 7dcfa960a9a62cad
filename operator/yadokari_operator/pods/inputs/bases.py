"""Which base image a Dockerfile's steps run in first, told by its text alone.

Only the executor knows for sure: it expands arguments, leaves out stages that nobody needs, and weighs which
stage saves most. What is told here is good for a guess that costs nothing where it is wrong.
"""

import re

from yadokari_contract import references

_FROM = re.compile(
    r"\s*FROM\s+(?:--platform=\$\{?(?:BUILD|TARGET)PLATFORM\}?\s+)?(\S+)(?:\s+AS\s+(\S+))?\s*",
    re.ASCII | re.IGNORECASE,
)
_BEGINS_STAGE = re.compile(r"\s*FROM\s", re.ASCII | re.IGNORECASE)
_RUNS = re.compile(r"\s*RUN\s", re.ASCII | re.IGNORECASE)
_NAME = rf"((?:{references.DOMAIN}/)?{references.PATH})(?::{references.TAG})?"
_PINNED = re.compile(rf"{_NAME}@({references.DIGEST})", re.ASCII)
_TAGGED = re.compile(_NAME, re.ASCII)


def first_base(dockerfile: bytes | None) -> str:
    """Name the image, as it is written, that the first stage with a `RUN` starts from; "" if none is known.

    A stage that is for another platform, or that arguments name, is not known; neither is the base of one
    whose name is no image's (`scratch`).
    """
    bases: dict[str, str] = {"scratch": ""}
    base = ""
    for line in (dockerfile or b"").decode(errors="replace").splitlines():
        if begun := _FROM.fullmatch(line):
            base = bases.get(begun[1].lower(), begun[1])
            bases |= {begun[2].lower(): base} if begun[2] else {}
        elif _BEGINS_STAGE.match(line):
            base = ""
        elif base and _RUNS.match(line):
            return base if _PINNED.fullmatch(base) or is_tagged(base) else ""
    return ""


def pinned(base: str) -> str:
    """Give a base as REPOSITORY@DIGEST, spelled out, if its name has a digest; "" if it has none."""
    found = _PINNED.fullmatch(base)
    return f"{'/'.join(references.split_registry(found[1]))}@{found[2]}" if found else ""


def is_tagged(base: str) -> bool:
    """Whether a base is named without a digest: what it is by now has to be asked for."""
    return _TAGGED.fullmatch(base) is not None and not base.startswith(references.GITHUB)
