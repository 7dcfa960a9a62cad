"""Secrets handed to a build by --secret, and how RUN --mount=type=secret asks for them."""

import base64
import binascii
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from yadokari_builder.errors import RunError, UsageError
from yadokari_builder.layers.leaks import Sought

MAX_BYTES = 500 * 1024
"""BuildKit's limit for one secret."""
_BASE64 = "base64"


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where a secret comes from: the file `path` or, where that is empty, the variable `variable`.

    With `is_base64` what stands there is base64 of the value.
    """

    id: str
    path: str = ""
    variable: str = ""
    is_base64: bool = False


class Secrets:
    """The values of secrets by id; they appear in no text of this object."""

    def __init__(self, values: Mapping[str, bytes]) -> None:
        self._values = MappingProxyType(dict(values))

    def sought(self) -> Sought:
        """Return what to look for in layers."""
        return Sought.of(self._values)

    def find(self, secret_id: str, *, required: bool) -> bytes | None:
        """Return a secret's value, None where there is none and it is not required.

        Raises `RunError` where it is required.
        """
        value = self._values.get(secret_id)
        if value is None and required:
            raise RunError(
                f"secret {secret_id}: not found: the step requires it; hand it over by"
                f" --secret id={secret_id},src=FILE or --secret id={secret_id},env=VARIABLE",
                status=126,
            )
        return value


def parse_secret(text: str, environment: Mapping[str, str]) -> SecretSource:
    """Read `[type=file|env,]id=ID[,src=PATH|,env=VARIABLE]`, as `docker build --secret` does.

    Without a source the variable named as the id is meant, or else the file. Docker does not know
    `encoding=base64`, which is for values that no variable can hold. Raises `UsageError`.
    """
    fields = _fields(text)
    unknown = fields.keys() - {"type", "id", "src", "source", "env", "encoding"}
    kind, encoding = fields.get("type", ""), fields.get("encoding", "")
    if unknown or kind not in ("", "file", "env"):
        raise UsageError(f"--secret {text}: unexpected {', '.join(sorted(unknown)) or 'type=' + kind}")
    if encoding not in ("", _BASE64):
        raise UsageError(f"--secret {text}: encoding can be {_BASE64}")
    secret_id, variable = fields.get("id", ""), fields.get("env", "")
    path = fields.get("src", fields.get("source", ""))
    if not secret_id or (path and variable):
        raise UsageError(f"--secret {text}: expected id=ID,src=FILE or id=ID,env=VARIABLE")
    if kind == "env" and path:
        path, variable = "", path
    if not path and not variable:
        in_environment = kind != "file" and secret_id in environment
        path, variable = ("", secret_id) if in_environment or kind == "env" else (secret_id, "")
    return SecretSource(secret_id, path, variable, encoding == _BASE64)


def load_secrets(sources: Iterable[SecretSource], environment: Mapping[str, str]) -> Secrets:
    """Read the values of secrets, before a step can lay hands on their sources.

    Raises `UsageError` for one that is not there, is no base64 where it should be, or is larger than
    `MAX_BYTES`.
    """
    return Secrets({source.id: _value(source, environment) for source in sources})


def _value(source: SecretSource, environment: Mapping[str, str]) -> bytes:
    value = _stored(source, environment)
    if source.is_base64:
        try:
            value = base64.b64decode(b"".join(value.split()), validate=True)
        except binascii.Error as error:
            raise UsageError(f"secret {source.id}: it is no base64: {error}") from None
    if len(value) > MAX_BYTES:
        raise UsageError(f"secret {source.id} is larger than {MAX_BYTES} bytes")
    return value


def _stored(source: SecretSource, environment: Mapping[str, str]) -> bytes:
    if source.variable:
        if source.variable not in environment:
            raise UsageError(f"secret {source.id}: the variable {source.variable} is not set")
        value = os.fsencode(environment[source.variable])
    else:
        try:
            with open(source.path, "rb") as file:
                value = file.read(2 * MAX_BYTES)  # as much as base64 takes, and more than there may be
        except OSError as error:
            raise UsageError(f"secret {source.id}: {source.path}: {error.strerror}") from error
    return value


def _fields(text: str) -> dict[str, str]:
    fields = {}
    for part in text.split(","):
        name, found, value = part.partition("=")
        if not found:
            raise UsageError(f"--secret {text}: {part!r} is not NAME=VALUE")
        fields[name.strip().lower()] = value
    return fields
