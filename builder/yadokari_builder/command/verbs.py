"""Which verb the command line begins with; without one it is a build.

Verbs are imported when they are asked for: what is quick to say is said quickly.
"""

import gc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from yadokari_contract import VERSION
from yadokari_contract.reasons import SUCCESS, Reason


def run(
    arguments: Sequence[str], environment: Mapping[str, str], root: Path, out: TextIO, log: TextIO
) -> int:
    """Do what the arguments ask for and return the exit code; no exception leaves this.

    The log goes to `log`, what was asked for to `out`.
    """
    match arguments:
        case ["version", *rest]:
            if rest:
                log.write("error: version takes nothing\n")
                return Reason.INVALID_ARGUMENTS.exit_code
            out.write(f"yadokari {VERSION}\n")
            return SUCCESS
        case ["check", *rest]:
            from yadokari_builder.command import check

            return check.run(rest, environment, root, out, log)
        case ["copy-runtime", *rest]:
            from yadokari_builder.command import copy_runtime

            return copy_runtime.run(rest, root, log)
        case ["login", *rest]:
            from yadokari_builder.command import login

            return login.run(rest, environment, out, log)
        case ["push", *rest]:
            from yadokari_builder.command import push

            return push.run(rest, environment, out, log)
    # What is imported stays, and looking for garbage in it takes time. What comes after is a stranger's.
    gc.disable()
    from yadokari_builder.command import build

    gc.freeze()
    gc.enable()
    return build.run(arguments, environment, root, out, log)
