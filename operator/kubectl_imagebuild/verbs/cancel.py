"""`cancel`: ends a build that runs or waits, by `suspend`."""

from kubectl_imagebuild.build import SUSPENDED
from kubectl_imagebuild.errors import PluginError
from kubectl_imagebuild.verbs.asked import Asked


def run(asked: Asked) -> int:
    """Suspend builds; returns the exit code."""
    for name in asked.arguments.names:
        build = asked.kubectl.build(name)
        if build.is_finished or build.phase == SUSPENDED:
            raise PluginError(
                f"{build.key} is not building, so there is nothing to cancel: it is {build.phase}"
            )
        asked.patch(
            name,
            {"spec": {"suspend": True}},
            f"{build.key} cancelled: spec.suspend is true;"
            f" 'kubectl imagebuild rebuild {name}' builds it again",
        )
    return 0
