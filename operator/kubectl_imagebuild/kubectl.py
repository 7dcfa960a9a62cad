"""kubectl as the way to the cluster.

A plugin runs under kubectl, so it is always there, with each way to log in (exec plugins, OIDC), proxies and
kubeconfigs in pieces. It answers in 50 ms; the official client for Python takes 600 ms to be imported.
"""

import json
import re
import subprocess
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kubectl_imagebuild.build import Build
from kubectl_imagebuild.errors import PluginError
from kubectl_imagebuild.writing import one_line
from yadokari_api.keys import GROUP, PLURAL, VERSION

RESOURCE = f"{PLURAL}.{VERSION}.{GROUP}"

# A server ends each watch after some minutes.
_BEFORE_WATCHING_AGAIN = 0.5

# What it was about to do is no news, and the plugin does not have the flag that kubectl proposes.
_LEFT_OUT = re.compile(
    r"^error: |^Error from server (\(\w+\))?: |error when creating \"STDIN\": "
    r"|error validating (\"STDIN\"|data): |failed to download openapi: "
    r"|; if you choose to ignore these errors, turn validation off with --validate=false"
)
_ADVICE = (
    (
        "doesn't have a resource type",
        "is Yadokari installed in this cluster, and is --context the right one?",
    ),
    ("no matches for kind", "is Yadokari installed in this cluster, and is --context the right one?"),
    # Where kubectl looks for a cluster that nothing names.
    ("localhost:8080", "no kubeconfig names a cluster: set KUBECONFIG, or name a file by --kubeconfig"),
    ("(Unauthorized)", "log in anew, or name another --kubeconfig or --context"),
    ("to provide credentials", "log in anew, or name another --kubeconfig or --context"),
    ("context was not found", "'kubectl config get-contexts' tells those that are there"),
    ('namespaces "', "'kubectl get namespaces' tells those that are there"),
    ("(NotFound)", "'kubectl imagebuild list' tells those that are there"),
    ("(Forbidden)", "ask who administers the cluster for that right"),
    (
        "(AlreadyExists)",
        "choose another name, or have it replaced: --dry-run=client -o yaml | kubectl apply -f -",
    ),
)


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with the flags that say which cluster, namespace and user it is about."""

    flags: Sequence[str] = ()
    program: str = "kubectl"
    _running: "set[subprocess.Popen[bytes]]" = field(default_factory=set)

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """Return what it prints; raises PluginError with what it complains of."""
        with self.started(*arguments, stdin=stdin is not None) as process:
            out, complaint = process.communicate(None if stdin is None else stdin.encode())
        if process.returncode:
            raise failure(complaint.decode(errors="replace"))
        return out.decode(errors="replace")

    def json(self, *arguments: str, stdin: str | None = None) -> Any:
        """Return what it prints as JSON; raises PluginError."""
        return json.loads(self.run(*arguments, "-o", "json", stdin=stdin))

    def build(self, name: str, namespace: str = "") -> Build:
        """Return an ImageBuild; raises PluginError, so where it is not there."""
        return Build(self.json("get", RESOURCE, name, *_within(namespace)))

    def changes(self, name: str, namespace: str = "") -> Iterator[Build]:
        """Yield an ImageBuild as it is, and whenever it changes; raises PluginError once it is deleted."""
        while True:
            watch = (
                "get",
                RESOURCE,
                name,
                *_within(namespace),
                "--watch",
                "--output-watch-events",
                "-o",
                "json",
            )
            with self.started(*watch) as process:
                for line in process.stdout or ():
                    change = json.loads(line)
                    if change.get("type") == "DELETED":
                        raise PluginError(f"imagebuild {name} was deleted meanwhile")
                    yield Build(change.get("object") or {})
                complaint = process.communicate()[1].decode(errors="replace")
            if process.returncode:
                raise failure(complaint)
            time.sleep(_BEFORE_WATCHING_AGAIN)

    @contextmanager
    def started(self, *arguments: str, stdin: bool = False) -> Generator["subprocess.Popen[bytes]"]:
        """Run it meanwhile: it is ended on leaving; raises PluginError where there is none."""
        try:
            process = subprocess.Popen(
                [self.program, *arguments, *self.flags],
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise PluginError(
                f"{self.program} cannot be run: {error.strerror}: install kubectl, and have it in PATH"
            ) from None
        self._running.add(process)
        try:
            yield process
        finally:
            self._running.discard(process)
            process.terminate()
            for stream in (process.stdout, process.stderr, process.stdin):
                if stream:
                    stream.close()
            process.wait()

    def end(self) -> None:
        """End all that runs, in whichever thread: none is to outlive the plugin."""
        for process in tuple(self._running):
            process.terminate()


def _within(namespace: str) -> tuple[str, ...]:
    """Name a namespace, where it is not the one that all is about."""
    return ("--namespace", namespace) if namespace else ()


def failure(complaint: str) -> PluginError:
    """Make an error of kubectl's complaint, with what to do where that is known."""
    lines = [line for line in complaint.splitlines() if line.strip()] or ["kubectl failed without a word"]
    # The line that says what is wrong is not always the last one.
    known = ((line, advice) for part, advice in _ADVICE for line in reversed(lines) if part in line)
    message, advice = next(known, (lines[-1], ""))
    told = _LEFT_OUT.sub("", one_line(message))
    return PluginError(f"{told}: {advice}" if advice else told)
