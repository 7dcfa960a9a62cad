"""Programs that know credentials (docker-credential-helpers, "Development"): `docker-credential-NAME get`.

They lie in the root that steps write to: so they are run before the first step only.
"""

import json
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.credentials.credential import Credential, Credentials
from yadokari_builder.registry.credentials.keys import HUB_KEY
from yadokari_contract.references import DOCKER_HUB

logger = logging.getLogger(__name__)

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]*")
_NOT_FOUND = "credentials not found in native keychain"
_IDENTITY = "<token>"
_TIMEOUT = 60.0
_MAX_ANSWER = 64 * 1024
_OURS = ("DOCKER_AUTH_CONFIG", "LD_")


@dataclass(slots=True)
class Helpers:
    """Runs helpers; what they said is kept. May be used by several threads."""

    environment: Mapping[str, str] = field(repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)
    _frozen: bool = False
    _said: dict[tuple[str, str], Credential | None] = field(default_factory=dict, repr=False)

    def freeze(self) -> None:
        """Run no program from now on: a step might have put another one in its place."""
        with self._lock:
            self._frozen = True

    def is_there(self, name: str) -> bool:
        """Tell whether there is such a program."""
        return self._program(name) is not None

    def ask(self, name: str, registry: str) -> Credential | None:
        """Return what a helper knows of a registry; None if that is nothing, which is logged if it fails."""
        server = HUB_KEY if registry == DOCKER_HUB else registry
        with self._lock:
            if (name, server) not in self._said and not self._frozen:
                self._said[name, server] = self._run(name, server)
            return self._said.get((name, server))

    def _program(self, name: str) -> str | None:
        if not _NAME.fullmatch(name):
            return None
        return shutil.which(f"docker-credential-{name}", path=self.environment.get("PATH", ""))

    def _run(self, name: str, server: str) -> Credential | None:
        program = self._program(name)
        if program is None:
            return None
        kept = {key: value for key, value in self.environment.items() if not key.startswith(_OURS)}
        try:
            done = subprocess.run(
                [os.path.abspath(program), "get"],
                input=server.encode(),
                capture_output=True,
                check=False,
                timeout=_TIMEOUT,
                env=kept,
                cwd="/",
            )
        except (OSError, subprocess.SubprocessError) as error:
            logger.warning(
                "docker-credential-%s cannot be run for %s: %s", name, server, type(error).__name__
            )
            return None
        if done.returncode:
            # It says why on its standard output; what it says may hold anything.
            if _NOT_FOUND.encode() not in done.stdout:
                logger.warning("docker-credential-%s fails for %s: status %d", name, server, done.returncode)
            return None
        return _parse_answer(done.stdout, name)


@dataclass(frozen=True, slots=True)
class HelpedCredentials:
    """Credentials of a configuration and of the helpers that it names.

    As for Docker, a registry's own helper counts before what stands in the configuration; the helper for all
    registries comes last.
    """

    written: Credentials
    helpers: Helpers

    def find(self, repository: Repository) -> Credential | None:
        """Return the credential for a repository; None if there is none."""
        own = self.written.helper(repository)
        known = self.helpers.ask(own, repository.registry) if own else None
        known = known or self.written.find(repository)
        if known is None and self.written.default_helper:
            return self.helpers.ask(self.written.default_helper, repository.registry)
        return known

    def hint(self, repository: Repository) -> str:
        """Say why there is no credential for a repository, if there is more to say."""
        name = self.written.helper(repository) or self.written.default_helper
        if not name:
            return ""
        if not self.helpers.is_there(name):
            return f"its credentials are in docker-credential-{name}, which is not in the executor's PATH"
        return f"docker-credential-{name} gave no credentials for it"


def _parse_answer(answer: bytes, name: str) -> Credential | None:
    try:
        data = json.loads(answer[:_MAX_ANSWER])
        username, secret = data["Username"], data["Secret"]
    except (ValueError, KeyError, TypeError, RecursionError):
        username, secret = None, None
    if not isinstance(username, str) or not isinstance(secret, str):
        logger.warning("docker-credential-%s does not answer as a credential helper does", name)
        return None
    if username == _IDENTITY:
        return Credential(identity_token=secret)
    return Credential(username, secret)
