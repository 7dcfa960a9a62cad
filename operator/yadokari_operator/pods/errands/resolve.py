"""The errand that asks what images and git refs point at."""

import hashlib
import json
from collections.abc import Collection, Sequence
from typing import Any

from yadokari_api.imagebuild import ImageBuild
from yadokari_api.keys import LABEL_BUILD, LABEL_RUN, RUN_DIGITS
from yadokari_api.spec import ImageBuildSpec
from yadokari_contract.verbs import RESOLVE
from yadokari_operator.pods.arguments import reach
from yadokari_operator.pods.errands.render import Errand, errand_pod
from yadokari_operator.pods.names import free_number
from yadokari_operator.settings import Settings

Manifest = dict[str, Any]

_TIMEOUT = 120
_NOBODYS = frozenset({LABEL_BUILD, LABEL_RUN})


def resolve_pod(
    build: ImageBuild,
    spec: ImageBuildSpec,
    settings: Settings,
    names: Sequence[str],
    taken: Collection[str] = (),
) -> Manifest:
    """Write the pod that asks for names; until something is known since, it is the same one.

    It is called otherwise where what it would be called is `taken`.
    """
    known = [build.uid, build.status.run.number, *(f"{it.name} {it.time}" for it in build.status.asked)]
    token = hashlib.sha256(json.dumps(known).encode()).hexdigest()[:RUN_DIGITS]
    errand = Errand(
        verb=RESOLVE,
        words=tuple(names),
        asked=reach(spec, settings),
        token=token,
        number=free_number(build.key.name, RESOLVE.name, token, 1, taken),
        timeout=_TIMEOUT,
    )
    return errand_pod(build, spec, settings, errand)


def way_of_asking(build: ImageBuild, spec: ImageBuildSpec, settings: Settings) -> str:
    """Tell how a build asks: those for which this is the same may be asked for by one pod.

    It is a hash of all of that pod but whose it is and for what it asks, so that no build ever asks with
    Secrets, certificates, variables or from a place that are not its own.
    """
    pod = resolve_pod(build, spec, settings, ())
    metadata = pod["metadata"]
    labels = {name: value for name, value in metadata["labels"].items() if name not in _NOBODYS}
    how = [labels, dict((spec.executor and spec.executor.annotations) or {}), pod["spec"]]
    return hashlib.sha256(json.dumps(how, sort_keys=True).encode()).hexdigest()
