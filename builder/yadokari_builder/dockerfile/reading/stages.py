"""Instructions that structure a build: FROM, ARG, ONBUILD. All raise LanguageError."""

import re

from yadokari_builder.dockerfile.flags import KNOWN, parse_flags
from yadokari_builder.dockerfile.instructions import Arg, From, Onbuild
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.quoting import quote
from yadokari_builder.dockerfile.reading.needs import need_some, no_flags
from yadokari_builder.dockerfile.tree import Node

_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")
_ONBUILD = re.compile(r"[\t\n\f\r ]*ONBUILD[\t\n\f\r ]*", re.IGNORECASE)


def read_from(node: Node) -> From:
    """Read FROM."""
    words = node.words
    name = None
    if len(words) == 3 and words[1].lower() == "as":
        name = words[2].lower()
        if not _STAGE_NAME.fullmatch(name):
            raise LanguageError(
                f"invalid name for build stage: {quote(words[2])}, "
                "name can't start with a number or contain symbols",
                words[2],
            )
    elif len(words) != 1:
        raise LanguageError("FROM requires either one or three arguments")
    flags = parse_flags(node.flags, KNOWN["from"])
    return From(words[0], name, flags.text("platform"))


def read_arg(node: Node) -> Arg:
    """Read ARG; its flags are neither read nor refused."""
    need_some(node)
    pairs: list[tuple[str, str | None]] = []
    for word in node.words:
        name, equals, value = word.partition("=")
        if equals and not name:
            raise LanguageError("ARG names can not be blank", word)
        pairs.append((name, value if equals else None))
    return Arg(tuple(pairs))


def read_onbuild(node: Node) -> Onbuild:
    """Read ONBUILD; what it holds is not looked into."""
    need_some(node)
    no_flags(node)
    trigger = node.words[0].upper()
    if trigger == "ONBUILD":
        raise LanguageError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", node.words[0])
    if trigger in ("MAINTAINER", "FROM"):
        raise LanguageError(f"{trigger} isn't allowed as an ONBUILD trigger", node.words[0])
    expression = _ONBUILD.sub("", node.source, count=1)
    for body in node.heredocs:
        expression += f"\n{body.content}{body.mark.name}"
    return Onbuild(expression)
