"""`rebuild`: builds again, with nothing changed."""

from datetime import UTC, datetime

from kubectl_imagebuild.verbs.asked import Asked
from kubectl_imagebuild.verbs.logs import watch
from yadokari_api.keys import ANNOTATION_REBUILD


def run(asked: Asked) -> int:
    """Ask for new builds; returns the exit code."""
    for name in asked.arguments.names:
        build = asked.kubectl.build(name)
        # To the microsecond: two requests in a row are two.
        patch: dict[str, object] = {
            "metadata": {"annotations": {ANNOTATION_REBUILD: datetime.now(UTC).isoformat()}}
        }
        if build.value("spec", "suspend"):
            patch["spec"] = {"suspend": False}
        asked.patch(
            name, patch, f"{build.key} is built again: 'kubectl imagebuild logs -f {name}' follows it"
        )
    return watch(asked, asked.arguments.names[0]) if asked.arguments.follow else 0
