"""Which verb the command line begins with; without one it is a build.

Verbs are imported when they are asked for: what is quick to say is said quickly.
"""

import gc
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from yadokari_contract import VERSION
from yadokari_contract.reasons import SUCCESS, Reason


def run(
    arguments: Sequence[str], environment: Mapping[str, str], root: Path, out: TextIO, log: TextIO
) -> int:
    """Do what the arguments ask for and return the exit code; no exception leaves this.

    The log goes to `log`, what was asked for to `out`. A verb that is told to stop does so at once: nothing
    that it leaves half is taken for whole.
    """
    if arguments and not arguments[0].startswith("-"):
        _end_when_told(log)
    if "--help" in arguments or "-h" in arguments:
        from yadokari_builder.command import usage

        return usage.run(arguments, out)
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
        case ["index", *rest]:
            from yadokari_builder.command import index

            return index.run(rest, environment, out, log)
        case ["login", *rest]:
            _beware()
            from yadokari_builder.command import login

            return login.run(rest, environment, out, log)
        case ["push", *rest]:
            _beware()
            from yadokari_builder.command import push

            return push.run(rest, environment, out, log)
        case ["resolve", *rest]:
            from yadokari_builder.command import resolve

            return resolve.run(rest, environment, out, log)
        case ["warm", *rest]:
            from yadokari_builder.command import warm

            return warm.run(rest, environment, log)
    # What is imported stays, and looking for garbage in it takes time. What comes after is a stranger's.
    gc.disable()
    from yadokari_builder.command import build
    from yadokari_builder.run.protection import keep_out_of_dumps

    keep_out_of_dumps()
    gc.freeze()
    gc.enable()
    return build.run(arguments, environment, root, out, log)


def _beware() -> None:
    """Keep credentials out of core dumps, and end when asked to: as process 1 nothing does so by itself."""
    from yadokari_builder.run import cancellation, protection

    protection.keep_out_of_dumps()
    cancellation.end_at_once()


def _end_when_told(log: TextIO) -> None:
    def end(*_: object) -> None:
        log.write("error: it was told to stop\n")
        log.flush()
        os._exit(Reason.CANCELLED.exit_code)

    # A container's first process does not end by these unless it says so (pid_namespaces(7)).
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, end)
