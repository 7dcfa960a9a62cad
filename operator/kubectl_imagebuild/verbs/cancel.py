"""`cancel`: ends builds that run or wait, by `suspend`."""

from kubectl_imagebuild.build import SUSPENDED, Build
from kubectl_imagebuild.errors import PluginError
from kubectl_imagebuild.verbs.asked import Asked
from kubectl_imagebuild.verbs.many import Change, change


def run(asked: Asked) -> int:
    """Suspend builds; of those that are not named, those that build. Returns the exit code."""

    def suspended(build: Build) -> Change | None:
        if not (build.is_finished or build.phase == SUSPENDED):
            again = f"'kubectl imagebuild rebuild {build.name}' builds it again"
            return Change(
                {"spec": {"suspend": True}}, f"{build.key} cancelled: spec.suspend is true; {again}"
            )
        if not asked.arguments.names:
            return None
        raise PluginError(f"{build.key} is not building, so there is nothing to cancel: it is {build.phase}")

    if not change(asked, suspended):
        asked.notes.write("no build was cancelled\n")
    return 0
