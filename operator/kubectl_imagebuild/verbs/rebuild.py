"""`rebuild`: builds again, with nothing changed."""

from datetime import UTC, datetime

from kubectl_imagebuild.build import Build
from kubectl_imagebuild.errors import PluginError
from kubectl_imagebuild.verbs.asked import Asked
from kubectl_imagebuild.verbs.logs import watch
from kubectl_imagebuild.verbs.many import Change, change
from yadokari_api.keys import ANNOTATION_REBUILD


def run(asked: Asked) -> int:
    """Ask for new builds; returns the exit code."""
    if asked.arguments.follow and asked.arguments.all_namespaces:
        raise PluginError("-f follows a build of this namespace: leave out -f or -A", 2)
    asked_for = change(asked, _again)
    return watch(asked, asked_for[0].name) if asked.arguments.follow and asked_for else 0


def _again(build: Build) -> Change:
    # To the microsecond: two requests in a row are two.
    patch: dict[str, object] = {
        "metadata": {"annotations": {ANNOTATION_REBUILD: datetime.now(UTC).isoformat()}}
    }
    if build.value("spec", "suspend"):
        patch["spec"] = {"suspend": False}
    return Change(patch, f"{build.key} is built again: 'kubectl imagebuild logs -f {build.name}' follows it")
