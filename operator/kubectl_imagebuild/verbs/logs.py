"""`logs`: what a build's steps print, and with `-f` how far it comes."""

from kubectl_imagebuild.build import Build
from kubectl_imagebuild.errors import PluginError
from kubectl_imagebuild.following import follow, log
from kubectl_imagebuild.showing import draw, show_lines
from kubectl_imagebuild.verbs.asked import Asked
from yadokari_contract.terminal import harmless, has_colours


def run(asked: Asked) -> int:
    """Write the latest attempt's log, or follow all from here on; returns the exit code."""
    name = asked.arguments.name
    if asked.arguments.follow:
        return watch(asked, name)
    build = asked.kubectl.build(name)
    if not build.pods:
        raise PluginError(f"{build.key} has no log yet: {build.reason or build.phase}: {build.message}")
    return _show(asked, build)


def _show(asked: Asked, build: Build) -> int:
    colours = has_colours(asked.environment, is_terminal=asked.out.isatty())
    is_empty = True
    for pod in build.pods:
        if pod.platform:
            asked.notes.write(f"{build.key}: {pod.platform}, in pod {pod.name}\n")
        for line in log(asked.kubectl, pod, build.namespace, follow=False):
            asked.out.write(f"{harmless(line.text, colours=colours)}\n")
            is_empty = False
    if is_empty:
        raise PluginError(
            f"{build.key} has no log any more: its pod {build.pods[0].name} is gone or has not started;"
            " 'kubectl imagebuild describe' tells what came of it"
        )
    return 0


def watch(asked: Asked, name: str) -> int:
    """Follow a build until it has succeeded (0) or failed (1)."""
    colours = has_colours(asked.environment, is_terminal=asked.out.isatty())
    progress = asked.arguments.progress
    events = follow(asked.kubectl, name)
    is_drawn = progress == "tty" or (progress == "auto" and asked.out.isatty())
    if is_drawn and not asked.out.isatty():
        raise PluginError("--progress=tty needs a terminal: leave it out, or say --progress=plain", 2)
    try:
        if is_drawn:
            return 0 if draw(events, asked.out, colours=colours) else 1
        return 0 if show_lines(events, asked.out, asked.notes, colours=colours) else 1
    except KeyboardInterrupt:
        asked.notes.write(
            f"\nthe build goes on: 'kubectl imagebuild logs -f {name}' follows it,"
            f" 'kubectl imagebuild cancel {name}' ends it\n"
        )
        raise
