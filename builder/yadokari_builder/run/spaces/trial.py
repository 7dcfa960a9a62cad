"""Whether steps can have namespaces of their own: found out by making them."""

import os
from pathlib import Path

from yadokari_builder.run import kernel, reaper
from yadokari_builder.run.cancellation import uninterrupted
from yadokari_builder.run.spaces import calls, ground
from yadokari_builder.run.spaces.start import SPACES, first_process
from yadokari_builder.run.spaces.view import Held, View, enter


def has_own_proc(folder: Path) -> bool:
    """Make the namespaces of a step that has no program, with a root in an empty folder.

    Returns whether it had a /proc of its own and not the pod's. Raises `SpacesError` where the kernel or the
    pod refuses something.
    """
    reaper.adopt_orphans()
    ground.lay(folder)
    view = View(folder, [Held(path) for path in ground.renew(folder)])
    told, telling = os.pipe()

    def become() -> None:
        enter(view)
        calls.take_away()

    def tell(_: int) -> None:
        own = os.path.exists("/proc/1") and os.readlink("/proc/self") == "1"
        os.write(telling, b"own" if own else b"pods")

    try:
        with uninterrupted():
            first_process(SPACES | kernel.CLONE_NEWNET, become, tell).wait()
        os.close(telling)
        telling = -1
        return os.read(told, 8) == b"own"
    finally:
        os.close(told)
        if telling >= 0:
            os.close(telling)
