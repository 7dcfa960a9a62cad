"""Kinds of text that fields of an ImageBuild hold; patterns are RE2, as the API server reads them too."""

import re
from typing import Annotated

from pydantic import Field, WithJsonSchema

# The grammar of github.com/distribution/reference: [host[:port]/]path[/path...][:tag][@digest]
_HOST_LABEL = r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = rf"({_HOST_LABEL}(\.{_HOST_LABEL})*|\[[a-fA-F0-9:]+\])(:[0-9]+)?"
_PATH = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = rf"({_HOST}/)?{_PATH}(/{_PATH})*"
_TAG = r":[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
_DIGEST = r"@sha(256:[a-f0-9]{64}|512:[a-f0-9]{128})"

_NUMBER = r"([0-9]+(\.[0-9]*)?|\.[0-9]+)"
_QUANTITY = rf"^{_NUMBER}([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$"

TaggedReference = Annotated[str, Field(pattern=f"^{_REPOSITORY}({_TAG})?$", max_length=512)]
"""Where an image is pushed: a repository with a tag or none (then `latest`), without a digest."""

ImageReference = Annotated[str, Field(pattern=f"^{_REPOSITORY}({_TAG})?({_DIGEST})?$", max_length=512)]
"""An image that is run, by tag, by digest or by both."""

ResourceName = Annotated[
    str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", max_length=253)
]
"""The name of a ConfigMap or a Secret: a DNS subdomain."""

ConfigMapKey = Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)]

BuildArgName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_.-]*$", max_length=256)]

BuildArgValue = Annotated[str, Field(max_length=4096)]

Quantity = Annotated[
    str | int,
    Field(union_mode="left_to_right"),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "pattern": _QUANTITY}),
]
"""An amount of a resource, such as `500m` or `2Gi`."""

Duration = Annotated[str, Field(pattern=r"^([0-9]{1,6}[hms]){1,3}$", max_length=21)]
"""A span of time such as `90s`, `15m` or `1h30m`."""

_SECONDS = {"h": 3600, "m": 60, "s": 1}


def seconds(duration: str) -> int:
    """Tell how many seconds a `Duration` is."""
    return sum(int(amount) * _SECONDS[unit] for amount, unit in re.findall(r"([0-9]+)([hms])", duration))


def registry_host(reference: str) -> str:
    """Tell the registry (HOST[:PORT]) of a reference: docker.io where it names none."""
    first, slash, _ = reference.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost" or first.lower() != first)
    return first if named else "docker.io"
