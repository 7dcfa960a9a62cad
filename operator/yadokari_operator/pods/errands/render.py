"""Write the pod of an errand."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from yadokari_api.fields import amount
from yadokari_api.imagebuild import ImageBuild
from yadokari_api.keys import ANNOTATION_GENERATION, CONTAINER, LABEL_ERRAND
from yadokari_api.pod.executor import Executor, Resources
from yadokari_api.spec import ImageBuildSpec
from yadokari_contract.arguments import format_arguments
from yadokari_contract.spec import BuildSpec
from yadokari_contract.verbs import Verb
from yadokari_operator.pods import security
from yadokari_operator.pods.given import trust
from yadokari_operator.pods.given.environment import logins, own
from yadokari_operator.pods.given.sources import context_login
from yadokari_operator.pods.metadata import metadata_of
from yadokari_operator.pods.names import errand_name
from yadokari_operator.pods.placement import placement
from yadokari_operator.pods.render import image_of
from yadokari_operator.settings import Settings

Manifest = dict[str, Any]

_GRACE_SECONDS = 5
_REQUESTS: Mapping[str, str] = MappingProxyType({"cpu": "50m", "memory": "64Mi"})
# What a quota of the namespace may want to be said, and the build's pod says for that.
_MORE_REQUESTS: Mapping[str, str] = MappingProxyType({"ephemeral-storage": "64Mi"})
_LIMITS: Mapping[str, str] = MappingProxyType({"cpu": "1", "memory": "512Mi", "ephemeral-storage": "256Mi"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A verb that a pod is to do for a build.

    `words` follow the verb; no text of strangers may be among them that could be taken for a flag. `asked` is
    what else it is to know, made from `arguments.reach`. `token`, as many hexadecimal digits as a run has,
    tells what the errand is about, and `number` (from 1) is that of its attempt: equal ones give one pod.
    `timeout` is in seconds.
    """

    verb: Verb
    words: tuple[str, ...]
    asked: BuildSpec
    token: str
    number: int = 1
    timeout: int = 300


def errand_pod(build: ImageBuild, spec: ImageBuildSpec, settings: Settings, errand: Errand) -> Manifest:
    """Write the pod of an errand: with the credentials, certificates and place of the build's own."""
    executor = spec.executor or Executor()
    name = errand_name(build.key.name, errand.verb.name, errand.token, errand.number)
    metadata = metadata_of(build, errand.token, name)
    metadata["labels"] = {**executor.labels, **metadata["labels"], LABEL_ERRAND: errand.verb.name}
    metadata["annotations"] = {**executor.annotations, ANNOTATION_GENERATION: str(build.generation)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": errand.timeout,
            "terminationGracePeriodSeconds": _GRACE_SECONDS,
            **security.of_pod(executor, settings),
            **placement(executor),
            "containers": [_container(spec, executor, settings, errand)],
            "volumes": trust.volumes(spec),
        },
    }


def _container(spec: ImageBuildSpec, executor: Executor, settings: Settings, errand: Errand) -> Manifest:
    return {
        "name": CONTAINER,
        "image": image_of(executor, settings),
        "args": [errand.verb.name, *errand.words, *_flags(executor, errand)],
        # Secrets for steps are not among them: there are none.
        "env": [*logins(spec), *context_login(spec), *own(executor), *trust.environment(spec)],
        "resources": _resources(executor.resources or Resources()),
        "securityContext": dict(security.WITHOUT_STEPS),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": trust.mounts(spec),
    }


def _flags(executor: Executor, errand: Errand) -> list[str]:
    """Write the flags; of those that a spec adds to the build's, the ones that this verb knows."""
    known = {f"--{flag.name}" for flag in errand.verb.flags}
    added = [flag for flag in executor.extra_args if flag.partition("=")[0] in known]
    return [*format_arguments(errand.asked), *added]


def _resources(build: Resources) -> Manifest:
    """Ask for little, and name all kinds that the build's pod names, since a quota may want them."""
    limits = {
        kind: _least(build.limits[kind], most) for kind, most in _LIMITS.items() if kind in build.limits
    }
    more = {kind: least for kind, least in _MORE_REQUESTS.items() if kind in build.requests}
    asked = {kind: _least(limits.get(kind, it), it) for kind, it in {**_REQUESTS, **more}.items()}
    return {"requests": asked, **({"limits": limits} if limits else {})}


def _least(one: str | int, other: str) -> str | int:
    return one if amount(one) < amount(other) else other
