"""The grammar of references, as github.com/distribution/reference has it.

    reference  := name [ ":" tag ] [ "@" digest ]
    name       := [ domain "/" ] component *( "/" component )
    domain     := host [ ":" port ]
    component  := alphanumeric *( separator alphanumeric )
    separator  := "." | "_" | "__" | 1*"-"

The patterns are RE2 without groups that capture, so that an API server reads them as Python does.
"""

import re

DOCKER_HUB = "docker.io"
GITHUB = "github.com/"
"""What follows is a repository of git and no image: wherever either may stand, BuildKit reads it so."""

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"

HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])"
DOMAIN = rf"{HOST}(?::[0-9]+)?"
PATH = rf"{_COMPONENT}(?:/{_COMPONENT})*"
TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
DIGEST = r"(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})"


def split_registry(name: str) -> tuple[str, str]:
    """Tell the registry from the path of a name: it holds "." or ":" or a capital, or is `localhost`.

    A familiar name is completed: `debian` is of `docker.io`, with the path `library/debian`.
    """
    first, slash, rest = name.partition("/")
    if not slash or not (first == "localhost" or re.search("[.:]", first) or first != first.lower()):
        first, rest = DOCKER_HUB, name
    elif first == "index.docker.io":
        first = DOCKER_HUB
    if first == DOCKER_HUB and "/" not in rest:
        rest = f"library/{rest}"
    return first, rest
