"""Credentials as the executor's environment holds them or leads to them."""

import logging
import os
import posixpath
from collections.abc import Mapping

from yadokari_builder.registry.credentials.config_file import parse_config
from yadokari_builder.registry.credentials.credential import Credentials

logger = logging.getLogger(__name__)

_AUTH = "DOCKER_AUTH_CONFIG"
_DEFAULT_FOLDER = "/kaniko/.docker"


def read_credentials(environment: Mapping[str, str]) -> Credentials:
    """Merge DOCKER_AUTH_CONFIG, DOCKER_AUTH_CONFIG_1 and so on, and the config.json of DOCKER_CONFIG.

    Where several hold the same key, the first of them counts. Raises `InvalidCredentialsError`.
    """
    names = [name for name in environment if name == _AUTH or name.removeprefix(f"{_AUTH}_").isdecimal()]
    merged = Credentials()
    for name in sorted(names, key=lambda name: int(name.removeprefix(_AUTH).lstrip("_") or 0)):
        merged = merged.merged(parse_config(environment[name], name))
    path = posixpath.join(environment.get("DOCKER_CONFIG", _DEFAULT_FOLDER), "config.json")
    if os.path.isfile(path):
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            merged = merged.merged(parse_config(file.read(), path))
        logger.debug(
            "RUN steps can read %s: DOCKER_AUTH_CONFIG in the environment is out of their reach", path
        )
    return merged
