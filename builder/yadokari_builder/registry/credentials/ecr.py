"""Registries of AWS: which they are, and how their passwords are asked for (Amazon ECR's API reference)."""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any, Self

from yadokari_builder.errors import RegistryError
from yadokari_builder.registry.credentials.cloud import Lease
from yadokari_builder.registry.credentials.credential import Credential

_PRIVATE = re.compile(r"[0-9]{12}\.dkr[.-]ecr(-fips)?\.([a-z0-9-]+)\.(amazonaws\.com(?:\.cn)?|on\.aws)")
_PUBLIC = "public.ecr.aws"
_PUBLIC_REGION = "us-east-1"
_LIFE = 3600.0


@dataclass(frozen=True, slots=True)
class EcrService:
    """The service that gives out a registry's passwords: its name for signatures, and what it is asked."""

    url: str
    region: str
    name: str
    action: str

    @classmethod
    def of(cls, registry: str) -> Self | None:
        """Return the service for a registry; None for one that is not AWS's."""
        if registry == _PUBLIC:
            action = "SpencerFrontendService.GetAuthorizationToken"
            url = f"https://api.ecr-public.{_PUBLIC_REGION}.amazonaws.com/"
            return cls(url, _PUBLIC_REGION, "ecr-public", action)
        match = _PRIVATE.fullmatch(registry)
        if match is None:
            return None
        fips, region, domain = match.groups()
        if domain == "on.aws":
            host = f"ecr{fips or ''}.{region}.api.aws"
        else:
            host = f"ecr-fips.{region}.{domain}" if fips else f"api.ecr.{region}.{domain}"
        action = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
        return cls(f"https://{host}/", region, "ecr", action)


def read_password(answer: bytes, now: float) -> Lease:
    """Read what the service answers at `now` (seconds since the epoch); raises `RegistryError`."""
    try:
        data: Any = json.loads(answer)["authorizationData"]
        given = data[0] if isinstance(data, list) else data
        username, colon, password = base64.b64decode(given["authorizationToken"]).decode().partition(":")
        end = given.get("expiresAt")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, binascii.Error, RecursionError):
        raise RegistryError("AWS answers with no password for its registry") from None
    if not colon:
        raise RegistryError("AWS answers with no password for its registry")
    is_time = isinstance(end, int | float) and end > now
    return Lease(Credential(username, password), end - now if is_time else _LIFE)
