"""Credentials as the executor's environment holds them or leads to them."""

import logging
import os
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from yadokari_builder.errors import UsageError, described
from yadokari_builder.registry.credentials.config_file import parse_config
from yadokari_builder.registry.credentials.credential import Credentials, Keychain, Place
from yadokari_builder.registry.credentials.helpers import HelpedCredentials, Helpers

logger = logging.getLogger(__name__)

_AUTH = "DOCKER_AUTH_CONFIG"
_NAME = re.compile(rf"{_AUTH}(_PULL|_PUSH)?(?:_([0-9]{{1,9}}))?")
_AUTH_FILE = "REGISTRY_AUTH_FILE"
_DEFAULT_FOLDER = "/kaniko/.docker"


@dataclass(frozen=True, slots=True)
class Keychains:
    """What is shown to registries, for pulling and for pushing."""

    pull: Keychain
    push: Keychain
    helpers: Helpers


def read_keychains(environment: Mapping[str, str], others: Iterable[Place] = ()) -> Keychains:
    """Read the credentials for each purpose.

    First come those of DOCKER_AUTH_CONFIG_PULL, _PULL_1 and so on, or of DOCKER_AUTH_CONFIG_PUSH and so on,
    then those for both: of DOCKER_AUTH_CONFIG, DOCKER_AUTH_CONFIG_1 and so on, of the config.json of
    DOCKER_CONFIG and of the file of REGISTRY_AUTH_FILE. Where several hold the same key, the first of them
    counts. Then come the `others`, in their order. Raises `UsageError`.
    """
    for name in environment:
        if name.startswith(_AUTH) and not _NAME.fullmatch(name):
            logger.warning("%s is not read: the name goes on with _PULL or _PUSH, or with a number", name)
    helpers = Helpers(environment)
    common = _of_variables(environment, None).merged(_of_files(environment))
    others = tuple(others)

    def keychain(purpose: str) -> Keychain:
        written = (_of_variables(environment, purpose), common)
        places = (*(HelpedCredentials(each, helpers) for each in written), *others)
        keys = tuple(key for each in written for key in each.by_key)
        return Keychain(places, keys, tuple(lack for each in written for lack in each.lacks))

    return Keychains(keychain("_PULL"), keychain("_PUSH"), helpers)


def _of_variables(environment: Mapping[str, str], purpose: str | None) -> Credentials:
    named = [match for match in map(_NAME.fullmatch, environment) if match and match[1] == purpose]
    merged = Credentials()
    for match in sorted(named, key=lambda match: int(match[2] or 0)):
        merged = merged.merged(parse_config(environment[match[0]], match[0]))
    for lack in merged.lacks:
        logger.warning("%s", lack)
    return merged


def config_path(environment: Mapping[str, str]) -> str:
    """Return where the config.json is, or would be."""
    return posixpath.join(environment.get("DOCKER_CONFIG", _DEFAULT_FOLDER), "config.json")


def _of_files(environment: Mapping[str, str]) -> Credentials:
    path = config_path(environment)
    found = _of_file(path) if os.path.isfile(path) else Credentials()
    named = environment.get(_AUTH_FILE, "")
    return found.merged(_of_file(named)) if named else found


def _of_file(path: str) -> Credentials:
    logger.debug("RUN steps can read %s: DOCKER_AUTH_CONFIG in the environment is out of their reach", path)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return parse_config(file.read(), path)
    except OSError as error:
        raise UsageError(f"credentials cannot be read: {described(error)}") from error
