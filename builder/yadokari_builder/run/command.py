"""What a step executes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ProcessUser:
    """Numeric ids that a process runs with; `groups` are the supplementary ones."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """A program with all that it is started with; `network` is as RUN has it: "default", "host", "none"."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(repr=False)
    cwd: str = "/"
    user: ProcessUser = ProcessUser()
    network: str = "default"


class Process(Protocol):
    """A process that was started, a child of this one."""

    @property
    def pid(self) -> int:
        """Its id."""

    @property
    def returncode(self) -> int | None:
        """What it ended with (negative: by that signal), once it was waited for."""

    def wait(self) -> int:
        """Wait for its end."""
