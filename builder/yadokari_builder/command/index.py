"""`index IMAGE@DIGEST... -d REFERENCE`: pushes an index of images that registries hold already."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TextIO

from yadokari_builder.build.delivering.destinations import read_destinations
from yadokari_builder.build.delivering.files import require_outputs, tell
from yadokari_builder.build.registries import Registries, open_registries
from yadokari_builder.command import report
from yadokari_builder.command.failures import as_failure, exit_code, write_result
from yadokari_builder.oci.reference import Reference, Repository
from yadokari_builder.registry.index import find_members, make_index, push_index
from yadokari_builder.registry.pull import PulledImage, Puller
from yadokari_builder.registry.push import Pusher
from yadokari_contract.arguments import parse_index
from yadokari_contract.results.answers import IndexedImage, IndexResult, format_index_result
from yadokari_contract.spec import BuildSpec


def run(arguments: Sequence[str], environment: Mapping[str, str], out: TextIO, log: TextIO) -> int:
    """Push an index and write its digest to `out`, and what there is to tell; returns the exit code."""

    def index() -> None:
        names, spec = parse_index(arguments, environment)
        report.configure(
            log, spec.verbosity, spec.log_format, timestamp=spec.log_timestamp, environment=environment
        )
        try:
            result = _push(tuple(map(Reference.parse, names)), spec, environment)
        except Exception as error:
            write_result(spec.result_file, format_index_result(IndexResult(failure=as_failure(error))))
            raise
        out.write(f"{result.digest}\n")
        write_result(spec.result_file, format_index_result(result))

    report.configure(log, "info", "text")
    return exit_code(index)


def _push(references: Sequence[Reference], spec: BuildSpec, environment: Mapping[str, str]) -> IndexResult:
    destinations = read_destinations(spec)
    require_outputs(spec)
    registries = open_registries(spec, environment)
    with Pusher(
        registries.pushing, destinations, keeps_immutable=spec.push_ignore_immutable_tag_errors
    ) as pusher:
        if not spec.skip_push_permission_check:
            pusher.check()
        members = find_members(_finder(registries, pusher.repositories), references)
        index = make_index(members, spec.annotations)
        digest = push_index(index, members, registries.pushing, pusher)
    tell(spec, destinations, digest, registries.network)
    images = tuple(map(_indexed, members))
    return IndexResult(
        digest=str(digest),
        size=sum(image.size for image in images),
        images=tuple(destination.familiar for destination in destinations),
        manifests=images,
    )


def _finder(registries: Registries, pushed_to: Collection[Repository]) -> Callable[[Reference], PulledImage]:
    """Return what finds an image: who pushes to where it is can read it there, which no mirror has."""
    here, elsewhere = Puller(registries.pushing), Puller(registries.pulling, registries.mirrors)
    return lambda reference: (here if reference.repository in pushed_to else elsewhere).verbatim(reference)


def _indexed(member: PulledImage) -> IndexedImage:
    image = member.image
    size = sum(layer.size for layer in image.manifest.layers)
    return IndexedImage(str(image.config.platform), str(image.manifest_digest), size)
