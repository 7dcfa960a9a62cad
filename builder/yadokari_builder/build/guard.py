"""From the first step on the root is the image's: nothing of ours may be steered by what stands in it."""

import os
from pathlib import Path

from yadokari_builder.plan.plan import Plan
from yadokari_builder.run import reaper
from yadokari_builder.run.protection import GIT_MODULES, LATE_MODULES, make_undumpable, preload_modules


def guard(root: Path, plan: Plan) -> None:
    """Import all that may be needed, and keep steps from this process's memory and environment."""
    os.chdir(root)
    reaper.adopt_orphans()
    needs_git = any(step.needs_git for stage in plan.stages for step in stage.steps)
    preload_modules(modules=(*LATE_MODULES, *GIT_MODULES) if needs_git else LATE_MODULES)
    make_undumpable()
