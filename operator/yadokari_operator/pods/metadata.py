"""What the operator writes on all that a build owns: whose it is, and of which run."""

from typing import Any

from yadokari_api.imagebuild import ImageBuild
from yadokari_api.keys import API_VERSION, KIND, LABEL_BUILD, LABEL_MANAGER, LABEL_RUN, MANAGER
from yadokari_operator.pods.names import label_value

Manifest = dict[str, Any]


def metadata_of(build: ImageBuild, run: str, name: str) -> Manifest:
    """Write the metadata of a resource of a build's run, which goes with its ImageBuild."""
    return {
        "name": name,
        "namespace": build.key.namespace,
        "labels": {
            LABEL_MANAGER: MANAGER,
            LABEL_BUILD: label_value(build.key.name),
            LABEL_RUN: run,
        },
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": build.key.name,
                "uid": build.uid,
                "controller": True,
            }
        ],
    }
