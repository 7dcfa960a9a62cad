"""From the first step on the root is the image's: nothing of ours may be steered by what stands in it."""

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from yadokari_builder.build.registries import Registries
from yadokari_builder.plan.plan import Plan
from yadokari_builder.plan.steps import CopyAction, GitFiles, ImageSource, WebFile
from yadokari_builder.run import reaper
from yadokari_builder.run.protection import GIT_MODULES, lock_up
from yadokari_builder.sources.ssh.library import LIBSSH
from yadokari_builder.sources.web import host_of


def guard(root: Path, plan: Plan, registries: Registries) -> None:
    """Adopt what steps will leave behind, and close what they could reach the executor by."""
    os.chdir(root)
    reaper.adopt_orphans()
    images = [
        source.reference
        for stage in plan.stages
        for source in stage.sources
        if isinstance(source, ImageSource)
    ]
    registries.freeze(images, filter(None, _hosts(plan)))
    needs_git = any(step.needs_git for stage in plan.stages for step in stage.steps)
    lock_up(GIT_MODULES, (LIBSSH,)) if needs_git else lock_up()


def _hosts(plan: Plan) -> Iterator[str]:
    """Yield the hosts that steps fetch files from."""
    actions = (step.action for stage in plan.stages for step in stage.steps)
    for copied in chain.from_iterable(action.copied for action in actions if isinstance(action, CopyAction)):
        match copied:
            case WebFile(url=url):
                yield host_of(url)
            case GitFiles(ref=ref):
                yield ref.host
