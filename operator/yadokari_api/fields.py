"""Kinds of text that fields of an ImageBuild hold."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import Field, WithJsonSchema

from yadokari_api.rules import Rule, matches, quoted
from yadokari_contract import references

# What no grammar says: ports end.
_PORT = r":(?:6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4})"
_NAME = rf"(?:{references.HOST}(?:{_PORT})?/)?{references.PATH}(?::{references.TAG})?"
SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
"""What resources of Kubernetes may be called: a DNS subdomain."""

_LABEL = r"[a-zA-Z0-9]([-._a-zA-Z0-9]*[a-zA-Z0-9])?"

TaggedReference = Annotated[
    str,
    Field(max_length=512),
    matches(
        _NAME,
        "image must be [HOST[:PORT]/]NAME[:TAG], such as registry.example.com/team/app:1.2: the name in lower"
        " case, a port up to 65535, no https:// before it and no digest behind it",
    ),
]
"""Where an image is pushed: a repository with a tag or none (then `latest`), without a digest."""

IMAGE = matches(
    f"{_NAME}(?:@{references.DIGEST})?",
    "image must be [HOST[:PORT]/]NAME[:TAG][@DIGEST]: the name in lower case, a port up to 65535,"
    " no https:// before it",
)
ImageReference = Annotated[str, Field(max_length=512), IMAGE]
"""An image that is run, by tag, by digest or by both."""

RepositoryName = Annotated[
    str,
    Field(max_length=512),
    matches(
        rf"(?:{references.HOST}(?:{_PORT})?/)?{references.PATH}",
        "a repository must be [HOST[:PORT]/]NAME, such as registry.example.com/team/app/cache: the name in"
        " lower case, no https:// before it and no tag or digest behind it",
    ),
]
"""A repository that several images are in."""

ResourceName = Annotated[
    str,
    Field(max_length=253),
    matches(SUBDOMAIN, "name must be one of Kubernetes: lower-case letters, digits, - and ."),
]
"""The name of a ConfigMap or a Secret: a DNS subdomain."""

ConfigMapKey = Annotated[
    str,
    Field(max_length=253),
    matches("[-._a-zA-Z0-9]+", "key must be one of a ConfigMap or a Secret: letters, digits, -, _ and ."),
]

REGISTRY = rf"{references.HOST}(?:{_PORT})?"
"""A registry: HOST[:PORT]."""

BUILD_ARG_NAME = r"[a-zA-Z_][a-zA-Z0-9_.-]{0,255}"
LABEL_KEY = rf"({SUBDOMAIN}/)?{_LABEL}"
LABEL_VALUE = rf"({_LABEL})?"

LONGEST_BUILD_ARG = 4096
BuildArgValue = Annotated[str, Field(max_length=LONGEST_BUILD_ARG)]

_NUMBER = r"([0-9]{1,18}(\.[0-9]{0,9})?|\.[0-9]{1,9})"
_UNITS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_UNITS = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_QUANTITY = rf"{_NUMBER}([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{{1,2}})?"
_QUANTITY_MESSAGE = "an amount must be a number with or without a unit, such as 500m, 2 or 1.5Gi"

Quantity = Annotated[
    str | int,
    Field(union_mode="left_to_right"),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 40}),
    Rule(
        f"string(self).matches({quoted(f'^({_QUANTITY})$')})",
        _QUANTITY_MESSAGE,
        lambda value: re.fullmatch(_QUANTITY, str(value), re.ASCII) is not None,
    ),
]
"""An amount of a resource, such as `500m` or `2Gi`."""

SPAN = r"([0-9]{1,6}[hms]){1,3}"

Duration = Annotated[
    str, Field(max_length=21), matches(SPAN, "a span of time must be like 90s, 15m or 1h30m")
]
"""A span of time such as `90s`, `15m` or `1h30m`."""

_SECONDS = {"h": 3600, "m": 60, "s": 1}


def seconds(duration: str) -> int:
    """Tell how many seconds a `Duration` is."""
    return sum(int(amount) * _SECONDS[unit] for amount, unit in re.findall(r"([0-9]+)([hms])", duration))


def between(shortest: str, longest: str, message: str) -> Rule:
    """Bound a `Duration`; one that cannot be read is refused for that alone."""
    return Rule(
        f"!self.matches({quoted(f'^({SPAN})$')})"
        f" || (duration(self) >= duration('{shortest}') && duration(self) <= duration('{longest}'))",
        message,
        lambda value: seconds(shortest) <= seconds(value) <= seconds(longest),
    )


def amount(quantity: str | int) -> Decimal:
    """Tell how much a `Quantity` is."""
    text = str(quantity)
    if text[-2:] in _BINARY_UNITS:
        return Decimal(text[:-2]) * (1 << _BINARY_UNITS[text[-2:]])
    if text[-1:] in _UNITS:
        return Decimal(text[:-1]).scaleb(_UNITS[text[-1:]])
    return Decimal(text)


def registry_host(reference: str) -> str:
    """Tell the registry (HOST[:PORT]) of a reference: docker.io where it names none."""
    return references.split_registry(reference)[0]


def spelled_out(reference: str) -> str:
    """Write a `TaggedReference` with all that it leaves out, so that one place has one spelling."""
    host, path = references.split_registry(reference)
    return f"{host.lower()}/{path}" + ("" if ":" in path else ":latest")


def repository_of(reference: str) -> str:
    """Tell the repository of a `TaggedReference` or a `RepositoryName`, spelled out."""
    return spelled_out(reference).rpartition(":")[0]
