"""From the first step on the root is the image's: nothing of ours may be steered by what stands in it."""

import os
from pathlib import Path

from yadokari_builder.plan.plan import Plan
from yadokari_builder.run import reaper
from yadokari_builder.run.protection import GIT_MODULES, lock_up


def guard(root: Path, plan: Plan) -> None:
    """Adopt what steps will leave behind, and close what they could reach the executor by."""
    os.chdir(root)
    reaper.adopt_orphans()
    needs_git = any(step.needs_git for stage in plan.stages for step in stage.steps)
    lock_up(GIT_MODULES if needs_git else ())
