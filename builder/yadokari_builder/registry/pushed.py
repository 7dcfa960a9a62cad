"""Whether an image is where it is to go already: by a mark that tells what it was made of.

An image has it as a label, an index of images for several platforms as an annotation.
"""

import logging
from collections.abc import Sequence

from yadokari_builder.errors import BuilderError, ImageNotFoundError
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.manifest import Index
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.documents import Documents
from yadokari_builder.registry.pull import PulledImage, Puller
from yadokari_contract.spec import INPUTS_MARK

logger = logging.getLogger(__name__)


def find_pushed(
    client: RegistryClient, destinations: Sequence[Reference], platform: Platform, inputs: str
) -> PulledImage | None:
    """Find an image for a platform that all destinations hold, and that was made of these inputs.

    What keeps it from being found, whatever that is, makes it none.
    """
    found: dict[Digest, PulledImage] = {}
    for destination in destinations:
        try:
            image = _marked(client, destination, platform, inputs)
        except ImageNotFoundError:
            logger.info("%s is not there yet: it is built", destination.familiar)
            return None
        except BuilderError as error:
            logger.info("%s is built, since what is there cannot be told: %s", destination.familiar, error)
            return None
        if image is None:
            logger.info("%s is another image: it is built", destination.familiar)
            return None
        found[image.image.manifest_digest] = image
    return next(iter(found.values())) if len(found) == 1 else None


def _marked(
    client: RegistryClient, destination: Reference, platform: Platform, inputs: str
) -> PulledImage | None:
    repository = destination.repository
    digest, document, _ = Documents(client, repository).named(destination)
    image = Puller(client).resolve(Reference(repository, destination.tag, digest), platform)
    labels = image.image.config.config.labels
    marks = document.annotations if isinstance(document, Index) else labels
    return image if marks.get(INPUTS_MARK) == inputs else None
