"""Kinds of text that fields of an ImageBuild hold."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import Field, WithJsonSchema

from yadokari_api.rules import Rule, matches, quoted

# The grammar of github.com/distribution/reference: [host[:port]/]path[/path...][:tag][@digest]
_HOST_LABEL = r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?"
_PORT = r":(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4})"
_HOST = rf"({_HOST_LABEL}(\.{_HOST_LABEL})*|\[[a-fA-F0-9:]+\])({_PORT})?"
_PATH = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = rf"({_HOST}/)?{_PATH}(/{_PATH})*"
_TAG = r":[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
_DIGEST = r"@sha(256:[a-f0-9]{64}|512:[a-f0-9]{128})"
_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_LABEL = r"[a-zA-Z0-9]([-._a-zA-Z0-9]*[a-zA-Z0-9])?"

TaggedReference = Annotated[
    str,
    Field(max_length=512),
    matches(
        f"{_REPOSITORY}({_TAG})?",
        "image must be [HOST[:PORT]/]NAME[:TAG], such as registry.example.com/team/app:1.2: the name in lower"
        " case, a port up to 65535, no https:// before it and no digest behind it",
    ),
]
"""Where an image is pushed: a repository with a tag or none (then `latest`), without a digest."""

ImageReference = Annotated[
    str,
    Field(max_length=512),
    matches(
        f"{_REPOSITORY}({_TAG})?({_DIGEST})?",
        "image must be [HOST[:PORT]/]NAME[:TAG][@DIGEST]: the name in lower case, a port up to 65535,"
        " no https:// before it",
    ),
]
"""An image that is run, by tag, by digest or by both."""

ResourceName = Annotated[
    str,
    Field(max_length=253),
    matches(_SUBDOMAIN, "name must be one of Kubernetes: lower-case letters, digits, - and ."),
]
"""The name of a ConfigMap or a Secret: a DNS subdomain."""

ConfigMapKey = Annotated[
    str,
    Field(max_length=253),
    matches("[-._a-zA-Z0-9]+", "key must be one of a ConfigMap: letters, digits, -, _ and ."),
]

BUILD_ARG_NAME = r"[a-zA-Z_][a-zA-Z0-9_.-]{0,255}"
LABEL_KEY = rf"({_SUBDOMAIN}/)?{_LABEL}"
LABEL_VALUE = rf"({_LABEL})?"

BuildArgValue = Annotated[str, Field(max_length=4096)]

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
    first, slash, _ = reference.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost" or first.lower() != first)
    return first if named else "docker.io"


def spelled_out(reference: str) -> str:
    """Write a `TaggedReference` with all that it leaves out, so that one place has one spelling."""
    host = registry_host(reference)
    path = reference.removeprefix(f"{host}/") if "/" in reference else reference
    host = "docker.io" if host == "index.docker.io" else host.lower()
    if host == "docker.io" and "/" not in path:
        path = f"library/{path}"
    return f"{host}/{path}" + ("" if ":" in path else ":latest")
