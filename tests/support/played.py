"""A build that the plugin follows, whose log stops where the test wants to look (see kubectl_player)."""

import json
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.plugin import Plugin

_PLAYER = Path(__file__).parent / "kubectl_player.py"


@dataclass(frozen=True, slots=True)
class Played:
    """A build that stops at places of its log until it is let go on."""

    plugin: Plugin
    folder: Path

    @classmethod
    def within(cls, folder: Path) -> "Played":
        """Put a stand-in for kubectl there, which plays what is written here."""
        kubectl = folder / "bin/kubectl"
        kubectl.parent.mkdir()
        kubectl.write_text(f"#!{sys.executable} -S\n{_PLAYER.read_text()}")
        kubectl.chmod(0o755)
        path = f"{kubectl.parent}:{os.environ['PATH']}"
        return cls(Plugin(path, {"PLAYED": str(folder), "PYTHONUTF8": "1"}), folder)

    def write_log(self, pod: str, log: str) -> None:
        """Write what a pod says."""
        (self.folder / f"log-{pod}").write_text(log)

    def status(self, phase: str, attempt: int = 1, **more: Any) -> None:
        """Write the ImageBuild."""
        build = {
            "metadata": {"namespace": "team", "name": "app", "generation": 1},
            "spec": {"destinations": [{"image": "registry.test/app:1"}]},
            "status": {
                "observedGeneration": 1,
                "phase": phase,
                "run": {"pod": f"app-{attempt}", "attempt": attempt, "duration": "5s"},
                **more,
            },
        }
        (self.folder / "next").write_text(json.dumps(build))
        (self.folder / "next").rename(self.folder / "build.json")

    def go_on(self, place: str) -> None:
        """Let the log go on from a place."""
        (self.folder / place).touch()

    def has_reached(self, place: str) -> bool:
        """Tell whether the log has come to a place."""
        return (self.folder / f"{place}.reached").exists()

    def command(self, *arguments: str) -> str:
        """Return a shell's command that runs the plugin."""
        return shlex.join([sys.executable, "-m", "kubectl_imagebuild", *arguments])
