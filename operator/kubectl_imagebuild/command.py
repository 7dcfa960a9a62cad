"""Runs a verb; whatever goes wrong is one line."""

import importlib
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import NoReturn, TextIO

from kubectl_imagebuild.command_line import parser
from kubectl_imagebuild.errors import PluginError
from kubectl_imagebuild.kubectl import Kubectl
from kubectl_imagebuild.verbs.asked import Asked
from kubectl_imagebuild.writing import one_line

_INTERRUPTED = 130
_CLUSTER_FLAGS = ("namespace", "context", "kubeconfig")


def run(arguments: Sequence[str], environment: Mapping[str, str], out: TextIO, notes: TextIO) -> int:
    """Do what the command line asks for and return the exit code; no exception leaves this."""
    kubectl = Kubectl()
    try:
        given = parser().parse_args(arguments)
        kubectl = Kubectl(_cluster_flags(given))
        verb = importlib.import_module(f"kubectl_imagebuild.verbs.{given.verb}")
        code: int = verb.run(Asked(given, kubectl, out, notes, environment))
        out.flush()
        return code
    except PluginError as error:
        notes.write(f"error: {one_line(str(error))}\n")
        return error.code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # whoever reads, such as head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        return 0
    except OSError as error:
        notes.write(f"error: {one_line(str(error))}\n")
        return 1
    except Exception as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            # Python was interrupted while it took a lock again, which it then lets go of in vain.
            return _INTERRUPTED
        notes.write(f"error: this is a mistake in Yadokari, please report it: {one_line(repr(error))}\n")
        return 1
    finally:
        kubectl.end()


def _cluster_flags(given: Namespace) -> list[str]:
    given.namespace = getattr(given, "namespace", None)
    if getattr(given, "all_namespaces", False):
        # As with kubectl, which asks for all then.
        given.namespace = None
    values = ((name, getattr(given, name, None)) for name in _CLUSTER_FLAGS)
    return [f"--{name}={value}" for name, value in values if value]


def main() -> NoReturn:
    """Run as a program."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, _interrupt)
    # Python has none for what whoever starts it has closed.
    notes = sys.stderr or open(os.devnull, "w")  # noqa: SIM115 as long as this runs
    if sys.stdout is None:
        notes.write("error: standard output is closed\n")
        sys.exit(1)
    sys.exit(run(sys.argv[1:], os.environ, sys.stdout, notes))


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    # Another one ends it at once, whatever the first one has it do.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    raise KeyboardInterrupt
