"""Where an image is to go. Verbs that push what is there load this without all that builds."""

from collections.abc import Iterable

from yadokari_builder.errors import UsageError
from yadokari_builder.oci.digest import Digest
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
    if spec.push_by_digest and spec.no_push:
        raise UsageError("--push-by-digest says how to push, and --no-push not to: leave one of them out")
    if spec.unless_pushed and not spec.inputs_hash:
        raise UsageError("--unless-pushed takes --inputs-hash, by which it knows what is there")
    if not (destinations or spec.no_push):
        raise UsageError("no --destination says where to push the image to: name one, or give --no-push")
    return destinations


def names_of(destinations: Iterable[Reference], digest: Digest, spec: BuildSpec) -> tuple[Reference, ...]:
    """Return the names that what was pushed can be pulled by: without tags where it was pushed by digest."""
    if not spec.push_by_digest:
        return tuple(destinations)
    repositories = dict.fromkeys(destination.repository for destination in destinations)
    return tuple(Reference(repository, digest=digest) for repository in repositories)
