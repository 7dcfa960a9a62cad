"""Platforms that an image is built for: what they are called, and which nodes run their steps."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from yadokari_api.rules import Rule, matches

MOST_PLATFORMS = 8

Platform = Annotated[
    str,
    Field(max_length=32),
    matches(
        "linux/(386|amd64|arm|arm64|loong64|mips64le|ppc64le|riscv64|s390x)(/v[1-9])?",
        "a platform must be linux/ARCHITECTURE[/VARIANT], such as linux/amd64 or linux/arm/v7, with one of"
        " 386, amd64, arm, arm64, loong64, mips64le, ppc64le, riscv64 and s390x",
    ),
]
"""An operating system and an architecture, as Go and image indexes call them."""

_SAME = "p.replace('/amd64/v1', '/amd64').replace('/arm64/v8', '/arm64')"
_NAMED = f"({_SAME} == 'linux/arm' ? 'linux/arm/v7' : {_SAME})"
EACH_ONCE = Rule(
    f"self.map(p, {_NAMED}).all(one, self.map(p, {_NAMED}).exists_one(other, other == one))",
    "two platforms are the same one: remove one of them (arm64 is arm64/v8, arm is arm/v7)",
    lambda value: len(set(map(_spelled_out, value))) == len(value),
)
"""An index has one image for each platform."""

_NODES: Mapping[str, str] = MappingProxyType({"386": "amd64"})
"""Architectures that no node is said to have, and those of the nodes that can run their programs."""


def word_of(platform: str) -> str:
    """Write a platform as a part of a name."""
    return platform.replace("/", "-")


def node_architecture(platform: str) -> str:
    """Tell the architecture of nodes that run a platform's programs, as they say of themselves."""
    architecture = platform.split("/")[1]
    return _NODES.get(architecture, architecture)


def _spelled_out(platform: str) -> str:
    plain = re.sub("/(amd64)/v1$|/(arm64)/v8$", lambda found: f"/{found[1] or found[2]}", platform)
    return "linux/arm/v7" if plain == "linux/arm" else plain
