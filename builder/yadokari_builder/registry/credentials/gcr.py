"""Registries of Google: which they are, and how an access token is shown to them (cloud.google.com)."""

import re

from yadokari_builder.registry.credentials.credential import Credential

_REGISTRY = re.compile(r"(?:[a-z0-9-]+\.)*(?:gcr\.io|pkg\.dev)")
_USER = "oauth2accesstoken"


def is_registry(registry: str) -> bool:
    """Tell whether a registry is one of Google's: Container Registry or Artifact Registry."""
    return _REGISTRY.fullmatch(registry) is not None and registry != "pkg.dev"


def show(token: str) -> Credential:
    """Return the credential that an access token is."""
    return Credential(_USER, token)
