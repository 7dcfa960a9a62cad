"""The plugin's verbs and flags; those that kubectl has are called and mean what they do there."""

import argparse
from typing import NoReturn

from kubectl_imagebuild.errors import PluginError

PROGRAM = "kubectl imagebuild"
USAGE = 2
"""Exit code where the command line is wrong."""


class Parser(argparse.ArgumentParser):
    """A parser that raises PluginError."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where one is told what would be right."""
        raise PluginError(f"{message}: '{self.prog} --help' tells what there is", USAGE)


def parser() -> Parser:
    """Make the parser of the whole command line; verbs are in the order in which one needs them."""
    made = Parser(
        prog=PROGRAM, description="Build images in the cluster, and see how far they are.", allow_abbrev=False
    )
    _add_cluster(made)
    verbs = made.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=Parser)
    _add_create(_verb(verbs, "create", "make an ImageBuild of a Dockerfile, and of a folder"))
    _add_list(_verb(verbs, "list", "list ImageBuilds"))
    _add_logs(_verb(verbs, "logs", "show what a build's steps print"))
    describe = _verb(verbs, "describe", "tell all of a build, with what to do where it failed")
    describe.add_argument("names", nargs="*", metavar="NAME", help="all if left out")
    _add_choice(describe)
    _add_output(describe)
    _add_wait(_verb(verbs, "wait", "wait for builds; the exit code tells what came of them"))
    rebuild = _verb(verbs, "rebuild", "build again, with nothing changed")
    _add_meant(rebuild)
    rebuild.add_argument(
        "-f", "--follow", action="store_true", help="show progress of the first one until it ends"
    )
    _add_progress(rebuild)
    _add_output(rebuild)
    cancel = _verb(verbs, "cancel", "end builds that run or wait")
    _add_meant(cancel)
    _add_output(cancel)
    explain = _verb(verbs, "explain", "explain a reason, or list all")
    explain.add_argument("reason", nargs="?", metavar="REASON")
    completion = _verb(verbs, "completion", "print a script that lets a shell complete the plugin's words")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
    return made


def _verb(verbs: "argparse._SubParsersAction[Parser]", name: str, purpose: str) -> Parser:
    sentence = f"{purpose[0].upper()}{purpose[1:]}."
    made = verbs.add_parser(name, help=purpose, description=sentence, allow_abbrev=False)
    _add_cluster(made)
    return made


def _add_cluster(made: Parser) -> None:
    """Take kubectl's own flags, before the verb and behind it."""
    nothing = argparse.SUPPRESS
    flags = made.add_argument_group("which cluster and namespace")
    flags.add_argument(
        "-n", "--namespace", default=nothing, help="namespace; that of the context if left out"
    )
    flags.add_argument("--context", default=nothing, help="context of the kubeconfig")
    flags.add_argument("--kubeconfig", default=nothing, help="file with clusters and credentials")


def _add_output(made: Parser, *further: str) -> None:
    formats = ("json", "yaml", "name", *further)
    made.add_argument("-o", "--output", choices=formats, help="write the resources themselves")


def _add_choice(made: Parser) -> None:
    made.add_argument("-A", "--all-namespaces", action="store_true", help="of all namespaces")
    made.add_argument("-l", "--selector", help="those with these labels")


def _add_meant(made: Parser) -> None:
    made.add_argument("names", nargs="*", metavar="NAME")
    made.add_argument("--all", action="store_true", help="all of the namespace")
    _add_choice(made)


def _add_progress(made: Parser) -> None:
    made.add_argument(
        "--progress",
        choices=("auto", "plain", "tty"),
        default="auto",
        help="how progress is shown (default: auto)",
    )


def _add_create(made: Parser) -> None:
    made.add_argument("name", metavar="NAME")
    made.add_argument("folder", nargs="?", metavar="FOLDER", help="build context; an empty one if left out")
    made.add_argument(
        "--file", metavar="PATH", help="the Dockerfile, - for standard input (default: FOLDER/Dockerfile)"
    )
    made.add_argument(
        *("-d", "--destination"),
        action="append",
        required=True,
        metavar="IMAGE",
        help="where to push; repeatable",
    )
    made.add_argument("--insecure", action="store_true", help="let the registries speak plain HTTP")
    made.add_argument("--push-secret", metavar="SECRET", help="Secret with the right to push")
    made.add_argument(
        *("--pull-secret",),
        action="append",
        default=[],
        metavar="SECRET",
        help="Secret for base images; repeatable",
    )
    made.add_argument(
        *("--build-arg",),
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="value of an ARG; repeatable",
    )
    made.add_argument("--target", metavar="STAGE", help="stage to build")
    made.add_argument(
        *("--platform",),
        action="append",
        default=[],
        metavar="OS/ARCH",
        help="platform to build for; repeatable, or with commas between",
    )
    made.add_argument(
        *("--context-image",),
        metavar="IMAGE",
        help="push the folder here, and have it pulled by the first pull secret",
    )
    made.add_argument("--dry-run", choices=("none", "client", "server"), default="none", help="make nothing")
    made.add_argument("-f", "--follow", action="store_true", help="show progress until it ends")
    _add_progress(made)
    _add_output(made)


def _add_list(made: Parser) -> None:
    _add_choice(made)
    _add_output(made, "wide")


def _add_logs(made: Parser) -> None:
    made.add_argument("name", metavar="NAME")
    made.add_argument("-f", "--follow", action="store_true", help="until the build ends, all attempts")
    _add_progress(made)


def _add_wait(made: Parser) -> None:
    _add_meant(made)
    made.add_argument(
        *("--for",),
        dest="wanted",
        default="succeeded",
        metavar="WHAT",
        help="succeeded, finished, started or condition=TYPE[=STATUS] (default: succeeded)",
    )
    made.add_argument("--timeout", default="1h", metavar="SPAN", help="such as 90s or 1h30m (default: 1h)")
    _add_output(made)
