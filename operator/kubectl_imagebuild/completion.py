"""What can stand next on the command line.

kubectl (1.26 and later) runs `kubectl_complete-imagebuild WORD...` where it completes a plugin's words: the
last word is the one to complete, and what is printed is a word a line, then `:` and a directive. Who asks
quotes them, but for bash: that sets COMP_LINE and COMP_WORDBREAKS in the place of words.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from kubectl_imagebuild.command_line import Parser, parser
from kubectl_imagebuild.errors import PluginError
from kubectl_imagebuild.kubectl import RESOURCE, Kubectl
from kubectl_imagebuild.typed import Typed
from kubectl_imagebuild.verbs.explain import ALL

_NO_FILES, _FILES = ":4", ":0"
_WAITED_FOR = ("succeeded", "finished", "started", "condition=Ready", "condition=Stalled")
_FLAGS = {
    "-n": "--namespace",
    "--namespace": "--namespace",
    "--context": "--context",
    "--kubeconfig": "--kubeconfig",
}


def complete(words: Sequence[str]) -> list[str]:
    """Return what the last of some words can be, and a directive after that."""
    *before, word = words or [""]
    name, equals, _ = word.partition("=")
    if equals and name.startswith("--"):
        *values, directive = complete([*before, name, word.removeprefix(f"{name}=")])
        return [*(f"{name}={value}" for value in values), directive]
    whole = parser()
    verb = next((one for one in before if one in _verbs(whole)), None)
    known = _verbs(whole)[verb] if verb else whole
    flag = _option(known, before[-1]) if before else None
    if flag is not None and flag.nargs is None and not isinstance(flag, argparse._StoreTrueAction):
        found: Iterable[str] | None = _values(flag, before)
    elif word.startswith("-"):
        found = [name for action in known._actions for name in action.option_strings if name.startswith("--")]
    elif verb is None:
        found = _verbs(whole)
    else:
        found = _positional(verb, before)
    if found is None:
        return [_FILES]
    return [*sorted({one for one in found if one.startswith(word)}), _NO_FILES]


def _verbs(whole: Parser) -> dict[str, Parser]:
    return next(dict(one.choices) for one in whole._actions if isinstance(one, argparse._SubParsersAction))


def _option(known: Parser, word: str) -> argparse.Action | None:
    return next((action for action in known._actions if word in action.option_strings), None)


def _values(flag: argparse.Action, before: Sequence[str]) -> Iterable[str] | None:
    """Return what a flag's value can be; None for a file."""
    if flag.choices:
        return [str(choice) for choice in flag.choices]
    match flag.dest:
        case "namespace":
            return _asked(before, "get", "namespaces")
        case "context":
            return _lines(before, "config", "get-contexts")
        case "wanted":
            return _WAITED_FOR
        case "kubeconfig" | "file":
            return None
        case "push_secret" | "pull_secret":
            return _asked(before, "get", "secrets")
    return ()


def _positional(verb: str, before: Sequence[str]) -> Iterable[str] | None:
    match verb:
        case "explain":
            return [str(reason) for reason in ALL]
        case "completion":
            return ("bash", "zsh", "fish")
        case "create":
            return None
        case "list":
            return ()
    return _asked(before, "get", RESOURCE)


def _asked(before: Sequence[str], *arguments: str) -> Iterator[str]:
    return (line.partition("/")[2] for line in _lines(before, *arguments))


def _lines(before: Sequence[str], *arguments: str) -> list[str]:
    """Ask kubectl; where it cannot tell there is nothing to complete."""
    flags = [f"{_FLAGS[name]}={value}" for name, value in pairwise(before) if name in _FLAGS]
    flags += [word for word in before if word.startswith(("--namespace=", "--context=", "--kubeconfig="))]
    try:
        # Names of contexts may be anything.
        names = Kubectl(flags).run(*arguments, "-o", "name").split("\n")
        return [name for name in names if name and name.isprintable()]
    except (PluginError, subprocess.SubprocessError):
        return []


def _at_the_end_of(line: str) -> list[str]:
    typed = Typed.parse(line, os.environ.get("COMP_WORDBREAKS", ""))
    *found, directive = complete(typed.words[1:])
    return [*map(typed.written, found), directive]


def main() -> None:
    """Run as the program that kubectl asks, and shells."""
    line = os.environ.get("COMP_LINE")
    found = complete(sys.argv[1:]) if line is None else _at_the_end_of(line)
    sys.stdout.write("".join(f"{one}\n" for one in found))
    sys.stdout.flush()
