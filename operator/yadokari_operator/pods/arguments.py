"""What the executor is asked to do."""

from dataclasses import dataclass, replace

from yadokari_api.fields import registry_host
from yadokari_api.inputs.values import BuildSecret
from yadokari_api.pod.executor import Executor
from yadokari_api.spec import ImageBuildSpec, OutputSpec
from yadokari_contract.arguments import format_arguments
from yadokari_contract.spec import BuildSpec
from yadokari_operator.pods.given.caches import with_caches
from yadokari_operator.pods.given.environment import secret_variable
from yadokari_operator.pods.given.sources import Place
from yadokari_operator.pods.inputs.gathered import Inputs
from yadokari_operator.pods.security import isolation_of
from yadokari_operator.settings import Settings

DOCKERFILE_FOLDER = "/yadokari/input/dockerfile"
_RESULT_FILE = "/dev/termination-log"


@dataclass(frozen=True, slots=True)
class Task:
    """What an attempt is to do beside what the spec says.

    `platform` is the one to build for, empty where the spec names none, `part` its word in names where there
    are several. With `adopts` an image that is there already will do.
    """

    platform: str = ""
    part: str = ""
    adopts: bool = False


def arguments(namespace: str, inputs: Inputs, place: Place, settings: Settings, task: Task) -> list[str]:
    """Write the executor's arguments; those that a spec adds come last.

    The image of one of several platforms is pushed by its digest: the index of all gets the tags.
    """
    executor = inputs.spec.executor or Executor()
    asked = with_caches(build_spec(inputs, place, settings), inputs.spec, namespace, settings)
    mark = mark_of(inputs)
    asked = replace(
        asked,
        custom_platform=task.platform,
        push_by_digest=bool(task.part),
        inputs_hash=mark,
        unless_pushed=bool(mark) and task.adopts,
    )
    return [*format_arguments(asked), *executor.extra_args]


def mark_of(inputs: Inputs) -> str:
    """Tell by what an image is known to be made of its inputs; empty where nothing may tell it.

    An image whose time is given is to have the same digest wherever it is built of the same files.
    """
    output = inputs.spec.output or OutputSpec()
    return inputs.hash if output.timestamp in (None, "Build") else ""


def build_spec(inputs: Inputs, place: Place, settings: Settings) -> BuildSpec:
    """Say what the executor is to do."""
    spec = inputs.spec
    output = spec.output or OutputSpec()
    return replace(
        reach(spec, settings),
        context=place.location,
        context_sub_path=place.sub_path,
        git=place.git,
        dockerfile=_dockerfile(spec),
        destinations=tuple(to.image for to in spec.destinations),
        build_args=dict(inputs.build_args),
        targets=(spec.target,) if spec.target else (),
        secrets=tuple(_secret(number, secret) for number, secret in enumerate(spec.secrets, 1)),
        labels=dict(output.labels),
        annotations=dict(output.annotations),
        reproducible=output.timestamp == "Zero",
        source_date=output.timestamp == "Source",
        compression=output.compression or BuildSpec().compression,
        certificates_in_steps=spec.certificates is not None and bool(spec.certificates.in_steps),
        isolation=isolation_of(spec.executor or Executor(), settings).lower(),
    )


def reach(spec: ImageBuildSpec, settings: Settings) -> BuildSpec:
    """Say how registries are reached and what comes of it is told, by any of the executor's verbs."""
    insecure = [registry_host(to.image) for to in spec.destinations if to.insecure]
    return BuildSpec(
        result_file=_RESULT_FILE,
        insecure_registries=tuple(dict.fromkeys([*settings.insecure_registries, *insecure])),
        registry_mirrors=settings.registry_mirrors,
        log_format="text",
    )


def _secret(number: int, secret: BuildSecret) -> str:
    encoding = f",encoding={secret.encoding.lower()}" if secret.encoding else ""
    return f"id={secret.id},env={secret_variable(number)}{encoding}"


def _dockerfile(spec: ImageBuildSpec) -> str:
    """Name the Dockerfile: one of the context by its path in there, so that no link leads it out of that."""
    in_context = spec.dockerfile_from.path if spec.dockerfile_from else None
    return in_context or f"{DOCKERFILE_FOLDER}/Dockerfile"
