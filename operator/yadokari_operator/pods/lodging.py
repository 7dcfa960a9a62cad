"""A pod whose container is a base image: the executor's own files are on a volume, all else is the base's.

What the image says of itself is overruled, and the executor is told what its container is made of.
"""

import re
from datetime import timedelta
from typing import Any

from yadokari_api.pod.executor import Executor
from yadokari_api.spec import ImageBuildSpec
from yadokari_contract.runtime import HOME, LOADED
from yadokari_operator.pods.given.environment import whole_secrets
from yadokari_operator.pods.security import isolation_of
from yadokari_operator.settings import Settings

Manifest = dict[str, Any]

PATIENCE = timedelta(seconds=60)
"""How long a node may take to start the executor in a base's container: to pull it, above all."""

_COMMAND = f"{HOME}/executor"
_FLAG = "--lodging="
_NAMES = "--lodging-env="


def mode_of(executor: Executor, settings: Settings) -> str:
    """Tell whether bases' own containers are built in: what the spec says before what the settings say."""
    return executor.lodging or settings.executor_lodging


def is_wanted(spec: ImageBuildSpec, settings: Settings) -> bool:
    """Whether a build may begin in a base's own container.

    Namespaces of their own, where steps can have them, come first. Variables whose names are not known here
    cannot be told from the image's own.
    """
    executor = spec.executor or Executor()
    mode, isolation = mode_of(executor, settings), isolation_of(executor, settings)
    if mode == "Never" or isolation == "Namespaces" or whole_secrets(spec):
        return False
    return mode == "Always" or isolation == "Shared" or not settings.executor_seccomp_profile


def lodged(container: Manifest, image: str) -> Manifest:
    """Have the executor's container be a base image, named by the digest of its manifest."""
    names = [variable["name"] for variable in container["env"]]
    env = [*container["env"], *({"name": name, "value": ""} for name in LOADED if name not in names)]
    own = [f"{_NAMES}{','.join(names)}"] if names else []
    return container | {
        "image": image,
        "command": [_COMMAND],
        # That of the image would be made in the root, were it not there.
        "workingDir": HOME,
        "args": [f"{_FLAG}{image}", *own, *container["args"]],
        "env": env,
    }


def unlodged(container: Manifest, image: str) -> Manifest:
    """Have a container of a base be one of the executor image again."""
    kept = {name: value for name, value in container.items() if name != "command"}
    args = [it for it in container.get("args") or () if not it.startswith((_FLAG, _NAMES))]
    return kept | {"image": image, "args": args}


def familiar(image: str) -> str:
    """Name a base for people: without its digest's end."""
    return re.sub(r"(@sha256:[0-9a-f]{12})[0-9a-f]+", r"\1", image)
