"""Docker's config.json, which is also what Kubernetes' Secrets of type dockerconfigjson hold.

`auths` maps keys (see `keys`) to a user name and password or to a token; `credHelpers` and `credsStore` name
programs that would know them.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from yadokari_builder.errors import UsageError
from yadokari_builder.registry.credentials.credential import Credential, Credentials
from yadokari_builder.registry.credentials.keys import parse_key

_ENTRY_FIELDS = frozenset({"auth", "username", "password", "identitytoken", "registrytoken"})


class InvalidCredentialsError(UsageError):
    """A text is not what Docker's config.json looks like. The error never quotes it."""


def parse_config(text: str, what: str) -> Credentials:
    """Read the JSON text of a config.json; `what` names it in errors (`InvalidCredentialsError`)."""
    data = _load(text, what)
    auths = _object(data, "auths", what)
    by_key = {parse_key(key): _credential(auths, key, what) for key in auths}
    held = {key: credential for key, credential in by_key.items() if credential}
    helpers = {parse_key(key): str(helper) for key, helper in _object(data, "credHelpers", what).items()}
    store = str(data.get("credsStore") or "")
    lacks = () if held or helpers or store else (f"{what} holds no credentials: {_lack(data)}",)
    return Credentials(MappingProxyType(held), MappingProxyType(helpers), store, lacks)


def _lack(data: Mapping[str, Any]) -> str:
    if data.get("auths"):
        return "its auths name no user and no token"
    if any(isinstance(entry, dict) and _ENTRY_FIELDS & entry.keys() for entry in data.values()):
        return "it has no auths, below which its registries belong"
    return "it has no auths"


def _load(text: str, what: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidCredentialsError(f"{what} is not JSON") from None
    if not isinstance(data, dict):
        raise InvalidCredentialsError(f"{what} is not a JSON object")
    return data


def _object(data: Mapping[str, Any], name: str, what: str) -> dict[str, Any]:
    value = data.get(name) or {}
    if not isinstance(value, dict):
        raise InvalidCredentialsError(f"{what}: {name} is not an object")
    return value


def _credential(auths: Mapping[str, Any], key: str, what: str) -> Credential | None:
    """Read one entry; None where it holds nothing, as `docker login` leaves it beside a helper."""
    where = f"{what}: auths[{key!r}]"
    entry = _object(auths, key, where)
    for name, value in entry.items():
        if name in _ENTRY_FIELDS and not isinstance(value, str):
            raise InvalidCredentialsError(f"{where}: {name} is not a string")
    username, password = entry.get("username", ""), entry.get("password", "")
    if entry.get("auth"):
        username, password = _decode_auth(entry["auth"], where)
    token = entry.get("identitytoken", "")
    if username == "<token>":
        username, password, token = "", "", token or password
    credential = Credential(username, password, token, entry.get("registrytoken", ""))
    return credential if credential != Credential() else None


def _decode_auth(auth: str, where: str) -> tuple[str, str]:
    try:
        padded = auth + "=" * (-len(auth) % 4)
        text = base64.b64decode(padded, validate=True).decode().rstrip("\0")
    except (binascii.Error, ValueError):
        text = ""
    username, colon, password = text.partition(":")
    if not colon:
        raise InvalidCredentialsError(f"{where}: auth is not the base64 form of user:password")
    return username, password
