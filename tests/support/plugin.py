"""The kubectl plugin as people run it: as a program, with kubectl in PATH, in a pipe or on a terminal."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pexpect
import pyte

from support.cluster import Cluster

_ROOT = Path(__file__).parents[2]
_PROGRAM = ("-m", "kubectl_imagebuild")


@dataclass(frozen=True, slots=True)
class Said:
    """What it said, and its exit code."""

    out: str
    notes: str
    code: int


@dataclass(slots=True)
class Screen:
    """A terminal with the plugin on it."""

    process: "pexpect.spawn[bytes]"
    columns: int
    rows: int
    _screen: pyte.Screen = field(init=False)
    _stream: pyte.ByteStream = field(init=False)
    raw: bytes = b""

    def __post_init__(self) -> None:
        self._screen = pyte.HistoryScreen(self.columns, self.rows, history=1000)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def lines(self) -> list[str]:
        """What stands on it, without what is empty at its end."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip().split("\n")

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def wait_for(self, word: str, seconds: float = 30) -> str:
        """Wait until a word stands on it."""
        self.settle(lambda: word in self.text, seconds)
        return self.text

    def settle(self, holds: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until it looks as it is to: a frame may come in pieces."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, f"it did not come to look so:\n{self.text}"
            self.read()

    def resize(self, columns: int, rows: int) -> None:
        """Give it another size, as people do with their window."""
        self._screen.resize(rows, columns)
        self.process.setwinsize(rows, columns)

    def end(self, seconds: float = 60) -> int:
        """Wait for the plugin's end; gives its exit code."""
        end = time.monotonic() + seconds
        while self.read():
            assert time.monotonic() < end, self.text
        self.process.wait()
        self.process.close()
        return self.process.exitstatus if self.process.exitstatus is not None else -1

    def read(self) -> bool:
        """Take what was written meanwhile; returns whether there may be more."""
        try:
            data = self.process.read_nonblocking(1 << 16, timeout=0.2)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += data
        self._stream.feed(data)
        return True


@dataclass(frozen=True, slots=True)
class Plugin:
    """The plugin with a `kubectl` of PATH, in a namespace ("": that of the context)."""

    path: str
    environment: Mapping[str, str] = field(default_factory=dict)
    namespace: str = ""

    @classmethod
    def of(cls, cluster: Cluster, namespace: str) -> "Plugin":
        """Speak to a real cluster."""
        return cls(
            f"{cluster.bin}:{os.environ['PATH']}",
            {"KUBECONFIG": str(cluster.kubeconfig), "KUBECACHEDIR": "/dev/null"},
            namespace,
        )

    def __call__(self, *arguments: str, stdin: str = "", cwd: Path | None = None) -> Said:
        """Run it in a pipe."""
        done = subprocess.run(
            [sys.executable, *_PROGRAM, *self._words(arguments)],
            input=stdin,
            env=self.variables,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Said(done.stdout, done.stderr, done.returncode)

    def on_terminal(self, *arguments: str, columns: int = 80, rows: int = 24, **environment: str) -> Screen:
        """Run it on a terminal, on which an interrupt counts whoever started the tests in the background."""
        process: pexpect.spawn[bytes] = pexpect.spawn(
            "env",
            ["--default-signal=INT,QUIT", sys.executable, *_PROGRAM, *self._words(arguments)],
            env=self.variables | {"TERM": "xterm-256color"} | environment,
            dimensions=(rows, columns),
            encoding=None,
        )
        return Screen(process, columns, rows)

    def _words(self, arguments: tuple[str, ...]) -> list[str]:
        return [*arguments, *(["-n", self.namespace] if self.namespace else [])]

    @property
    def variables(self) -> dict[str, str]:
        """Its environment."""
        kept = {name: os.environ[name] for name in ("HOME",) if name in os.environ}
        code = {"PYTHONPATH": f"{_ROOT}/operator:{_ROOT}/builder", "PYTHONUTF8": "1"}
        return {**kept, **code, "PATH": self.path, **self.environment}
