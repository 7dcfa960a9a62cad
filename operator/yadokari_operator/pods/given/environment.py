"""The executor's environment: credentials by reference to Secrets, and what a spec adds.

Steps get an environment of their own, so that what is here they cannot read.
"""

from collections.abc import Iterator
from typing import Any

from yadokari_api.pod.executor import Executor
from yadokari_api.spec import ImageBuildSpec
from yadokari_operator.pods.given.caches import enabled_cache

Manifest = dict[str, Any]

_LOGIN = ".dockerconfigjson"


def environment(spec: ImageBuildSpec) -> list[Manifest]:
    """Write all variables of the executor but those of where the context is."""
    return [*logins(spec), *_secrets(spec), *_times(spec), *own(spec.executor or Executor())]


def whole_secrets(spec: ImageBuildSpec) -> list[Manifest]:
    """Write the Secrets whose keys all become variables: build arguments, in the order of their numbers."""
    return [
        {
            "prefix": f"YADOKARI_BUILD_ARG_{number}_{source.prefix or ''}",
            "secretRef": {"name": source.secret_ref.name},
        }
        for number, source in enumerate(spec.build_args_from, 1)
        if source.secret_ref is not None
    ]


def from_secret(variable: str, secret: str, key: str, *, optional: bool = False) -> Manifest:
    """Write a variable whose value is in a Secret; an `optional` one is not there where the key is not."""
    reference: Manifest = {"name": secret, "key": key} | ({"optional": True} if optional else {})
    return {"name": variable, "valueFrom": {"secretKeyRef": reference}}


def pull_login(number: int, secret: str) -> Manifest:
    """Write the variable that holds the credentials of the `number`-th Secret to pull with."""
    return from_secret(f"DOCKER_AUTH_CONFIG_PULL_{number}", secret, _LOGIN)


def secret_variable(number: int) -> str:
    """Name the variable that holds the `number`-th secret of a spec."""
    return f"YADOKARI_SECRET_{number}"


def logins(spec: ImageBuildSpec) -> Iterator[Manifest]:
    """Hand over Secrets by purpose: _PULL_1, _PULL_2, ... for bases, _PUSH_N for the N-th destination.

    That of the cache comes last: where Secrets have the same key, the destination's counts.
    """
    for number, secret in enumerate(spec.pull_secret_refs, 1):
        yield pull_login(number, secret.name)
    for number, to in enumerate(spec.destinations, 1):
        if to.push_secret_ref:
            yield _push_login(number, to.push_secret_ref.name)
    cache = enabled_cache(spec)
    if cache and cache.registry and cache.registry.secret_ref:
        yield _push_login(len(spec.destinations) + 1, cache.registry.secret_ref.name)


def _push_login(number: int, secret: str) -> Manifest:
    return from_secret(f"DOCKER_AUTH_CONFIG_PUSH_{number}", secret, _LOGIN)


def _secrets(spec: ImageBuildSpec) -> Iterator[Manifest]:
    for number, secret in enumerate(spec.secrets, 1):
        yield from_secret(secret_variable(number), secret.secret_ref.name, secret.secret_ref.key)


def _times(spec: ImageBuildSpec) -> Iterator[Manifest]:
    timestamp = str(spec.output.timestamp) if spec.output and spec.output.timestamp is not None else ""
    if timestamp.isdecimal():
        yield {"name": "SOURCE_DATE_EPOCH", "value": timestamp}


def own(executor: Executor) -> Iterator[Manifest]:
    """Write the variables that a spec adds."""
    for variable in executor.env:
        yield variable.model_dump(by_alias=True, exclude_none=True)
