"""Changing ImageBuilds, of which several may be meant: by names, or by `--all` or `-l`, and then by `-A`."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kubectl_imagebuild.build import Build
from kubectl_imagebuild.errors import PluginError
from kubectl_imagebuild.kubectl import RESOURCE
from kubectl_imagebuild.verbs.asked import Asked
from kubectl_imagebuild.writing import one_line


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of an ImageBuild, and what is said when that is done."""

    patch: Mapping[str, object]
    done: str


def change(asked: Asked, wanted: Callable[[Build], Change | None]) -> list[Build]:
    """Change those that are meant, each that `wanted` has a change for; gives those that were changed.

    As with kubectl, what fails for one is told at the end, and the others are changed all the same. Raises
    PluginError.
    """
    changed: list[Build] = []
    failed: list[PluginError] = []
    for one in _meant(asked):
        try:
            build = asked.kubectl.build(one) if isinstance(one, str) else one
            found = wanted(build)
            if found is not None:
                _patch(asked, build, found, is_first=not changed)
                changed.append(build)
        except PluginError as error:
            failed.append(error)
    for one_of_them in failed[:-1]:
        asked.notes.write(f"error: {one_line(str(one_of_them))}\n")
    if failed:
        raise failed[-1]
    return changed


def _meant(asked: Asked) -> Sequence[str | Build]:
    given = asked.arguments
    if [bool(given.names), given.all, bool(given.selector)].count(True) != 1:
        raise PluginError("which builds are meant is said by names, or else by --all or by -l", 2)
    if given.names and given.all_namespaces:
        raise PluginError("names are given, and -A: it goes with --all or -l", 2)
    if given.names:
        return list(given.names)
    found = asked.builds()
    if not found:
        asked.say_that_there_are_none()
    return found


def _patch(asked: Asked, build: Build, wanted: Change, *, is_first: bool) -> None:
    """Change an ImageBuild, and say that it is done, or write what it is then where `-o` wants that."""
    where = ("--namespace", build.namespace)
    words = ("patch", RESOURCE, build.name, *where, "--type=merge", "-p", json.dumps(wanted.patch))
    output = asked.arguments.output
    if not output:
        asked.kubectl.run(*words)
        asked.out.write(f"{wanted.done}\n")
        return
    written = asked.kubectl.run(*words, "-o", output)
    if output == "yaml" and not is_first:
        asked.out.write("---\n")
    asked.out.write(written)
