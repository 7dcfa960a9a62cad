"""The images that a Dockerfile names, whichever stage is built."""

from collections.abc import Iterator, Mapping

from yadokari_builder.dockerfile.listener import Listener
from yadokari_builder.dockerfile.parser import parse
from yadokari_builder.dockerfile.predefined import SCRATCH
from yadokari_builder.dockerfile.stages import StageGraph
from yadokari_builder.dockerfile.text import DockerfileText
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.plan.scope import Platforms, open_scope


def images_of(
    text: DockerfileText, build_args: Mapping[str, str], platforms: Platforms
) -> Iterator[tuple[Reference, Platform]]:
    """Yield the images that stages start from and take files from, and the platform that each is wanted for.

    Raises `DockerfileError`, and `UsageError` for a name that is none.
    """
    dockerfile = parse(text.content, file=text.name)
    scope = open_scope(dockerfile, build_args, platforms, "")
    graph = StageGraph.of(dockerfile, scope.global_args, scope.platform, Listener())
    for stage, base in zip(graph.stages, graph.bases, strict=True):
        if graph.base_of(stage) is None and base.image != SCRATCH:
            yield Reference.parse(base.image), base.platform
        for _, source in graph.sources[stage.index]:
            if isinstance(source, str) and source != SCRATCH:
                yield Reference.parse(source), scope.platform
