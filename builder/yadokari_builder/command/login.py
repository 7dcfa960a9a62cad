"""`login REGISTRY -u NAME`: keeps a password in Docker's config.json, as kaniko's does."""

import base64
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from yadokari_builder.command import report
from yadokari_builder.command.failures import exit_code
from yadokari_builder.errors import UsageError
from yadokari_builder.registry.credentials.config_file import parse_config
from yadokari_builder.registry.credentials.environment import config_path
from yadokari_builder.registry.credentials.keys import HUB_KEY, parse_key
from yadokari_contract.arguments import parse_login
from yadokari_contract.references import DOCKER_HUB
from yadokari_contract.spec import LoginSpec


def run(arguments: Sequence[str], environment: Mapping[str, str], out: TextIO, log: TextIO) -> int:
    """Write a registry's credentials into the config.json that builds read; returns the exit code."""

    def login() -> None:
        spec = parse_login(arguments)
        path = config_path(environment)
        _keep(path, spec, _password(spec, sys.stdin))
        out.write(f"the credentials for {spec.registry} are in {path}\n")

    report.configure(log, "info", "text")
    return exit_code(login)


def _password(spec: LoginSpec, stdin: TextIO) -> str:
    if not spec.username:
        raise UsageError("whose password it is must be said: --username NAME")
    if bool(spec.password) == spec.password_stdin:
        raise UsageError("give the password by --password-stdin, or by --password where others may see it")
    password = spec.password or stdin.read().removesuffix("\n").removesuffix("\r")
    if not password:
        raise UsageError("the password on standard input is empty")
    return password


def _keep(path: str, spec: LoginSpec, password: str) -> None:
    text = _text(path)
    known = parse_config(text, path)
    key = parse_key(spec.registry)
    if known.default_helper or key in known.helpers:
        raise UsageError(
            f"{path} says that another program keeps the credentials for {spec.registry}: tell it"
        )
    config: dict[str, Any] = json.loads(text)
    auth = base64.b64encode(f"{spec.username}:{password}".encode()).decode()
    auths = {name: entry for name, entry in (config.get("auths") or {}).items() if parse_key(name) != key}
    config["auths"] = {**auths, HUB_KEY if key == DOCKER_HUB else key: {"auth": auth}}
    _write(path, json.dumps(config, indent=2) + "\n")


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read() or "{}"
    except FileNotFoundError:
        return "{}"


def _write(path: str, text: str) -> None:
    """Write a file that its owner alone can read, as a whole or not at all."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=folder, errors="surrogateescape", delete=False) as file:
        try:
            file.write(text)
            file.close()
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
