"""Where an image is to go. Verbs that push what is there load this without all that builds."""

from yadokari_builder.errors import UsageError
from yadokari_builder.oci.reference import Reference
from yadokari_contract.spec import BuildSpec


def read_destinations(spec: BuildSpec) -> tuple[Reference, ...]:
    """Read the destinations, by which outputs are named too; raises `UsageError`."""
    destinations = tuple(map(Reference.parse, spec.destinations))
    for destination in destinations:
        if destination.digest:
            raise UsageError(
                f"--destination {destination.familiar}: the digest is that of what is pushed:"
                " name a repository, with or without a tag"
            )
    if not (destinations or spec.no_push):
        raise UsageError("no --destination says where to push the image to: name one, or give --no-push")
    return destinations
