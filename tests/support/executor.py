"""The executor, run in a process of its own on a root in a folder."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXECUTOR = """
import ctypes, json, os, sys
from pathlib import Path
from yadokari_builder.command.verbs import run

PR_GET_DUMPABLE = 3

code = run(sys.argv[3:], dict(os.environ), Path(sys.argv[1]), sys.stdout, sys.stderr)
state = {
    "code": code,
    "cwd": os.getcwd(),
    "path": sys.path,
    "is_dumpable": bool(ctypes.CDLL(None).prctl(PR_GET_DUMPABLE)),
    "has_git": "dulwich.client" in sys.modules,
    "has_traces": "yadokari_contract.telemetry.trace" in sys.modules,
}
with open(sys.argv[2], "w") as file:
    json.dump(state, file)
sys.exit(code)
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of an executor: its exit code, what it wrote, and what had become of its process."""

    code: int
    out: str
    log: str
    state: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Executor:
    """Runs the executor on a context and a root in folders of the test's own."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "root"

    def __call__(
        self,
        dockerfile: str,
        *arguments: str,
        verb: str = "",
        force: bool = True,
        stdin: bytes | None = None,
        **environment: str,
    ) -> Ended:
        context = self.folder / "context"
        for folder in (context, self.root):
            folder.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(dockerfile)
        given = [
            *([verb, "--"] if verb else []),
            f"--context={context}",
            "--isolation=shared",
            *(["--force"] if force else []),
            *arguments,
        ]
        done = subprocess.run(
            [sys.executable, "-X", "utf8", "-c", EXECUTOR, self.root, self.folder / "state", *given],
            capture_output=True,
            input=stdin,
            timeout=60,
            cwd=self.folder,
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
            check=False,
        )
        out, log = done.stdout.decode(), done.stderr.decode()
        assert "Traceback" not in log, log
        state = json.loads((self.folder / "state").read_text())
        assert state["code"] == done.returncode
        return Ended(done.returncode, out, log, state)
