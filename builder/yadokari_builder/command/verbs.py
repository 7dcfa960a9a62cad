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

_STOPS = (signal.SIGTERM, signal.SIGINT)


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
    if arguments[:1] != ["version"]:
        from yadokari_builder.run.protection import keep_out_of_dumps

        keep_out_of_dumps()
    return _run(arguments, environment, root, out, log)


def _run(
    arguments: Sequence[str], environment: Mapping[str, str], root: Path, out: TextIO, log: TextIO
) -> int:
    match arguments:
        case ["version", *rest]:
            return _version(rest, out, log)
        case ["check", *rest]:
            from yadokari_builder.command import check

            return check.run(rest, environment, root, out, log)
        case ["copy-runtime", *rest]:
            from yadokari_builder.command import copy_runtime

            return copy_runtime.run(rest, root, log)
        case ["index", *rest]:
            from yadokari_builder.command import index

            return index.run(rest, environment, out, log)
        case ["login", *rest]:
            from yadokari_builder.command import login

            return login.run(rest, environment, out, log)
        case ["pack-context", *rest]:
            from yadokari_builder.command import pack_context

            return pack_context.run(rest, environment, log)
        case ["push", *rest]:
            from yadokari_builder.command import push

            return push.run(rest, environment, out, log)
        case ["resolve", *rest]:
            from yadokari_builder.command import resolve

            return resolve.run(rest, environment, root, out, log)
        case ["warm", *rest]:
            from yadokari_builder.command import warm

            return warm.run(rest, environment, log)
    # What is imported stays, and looking for garbage in it takes time. What comes after is a stranger's.
    gc.disable()
    from yadokari_builder.generated import compiled

    with compiled():
        from yadokari_builder.command import build

    gc.freeze()
    gc.enable()
    return build.run(arguments, environment, root, out, log)


def _version(rest: Sequence[str], out: TextIO, log: TextIO) -> int:
    if rest:
        log.write(f"error: version takes nothing: leave {rest[0]!r} out\n")
        return Reason.INVALID_ARGUMENTS.exit_code
    out.write(f"yadokari {VERSION}\n")
    return SUCCESS


def _end_when_told(log: TextIO) -> None:
    def end(*_: object) -> None:
        log.write("error: it was told to stop\n")
        log.flush()
        os._exit(Reason.CANCELLED.exit_code)

    # A container's first process does not end by these unless it says so (pid_namespaces(7)).
    for name in _STOPS:
        signal.signal(name, end)
    # The program that starts us has them wait until somebody cares, and what only builds end by as well.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
