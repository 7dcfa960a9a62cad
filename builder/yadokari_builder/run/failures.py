"""Why a step failed, in words."""

import errno
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from yadokari_builder.errors import RunError
from yadokari_builder.rootfs.paths import resolve
from yadokari_builder.run.command import Command

NOT_FOUND = 127
NOT_EXECUTABLE = 126


def step_failure(status: int, log_tail: str) -> RunError:
    """Return the error for a process that ended with `status` (negative: by that signal)."""
    code = 128 - status if status < 0 else status
    text = f"the process did not complete successfully: exit code: {code}"
    if status < 0:
        text += f": killed by {_signal_name(-status)}"
    elif code > 128 and _signal_name(code - 128):
        text += f" ({_signal_name(code - 128)})"
    if code == 128 + signal.SIGKILL:
        text += "; the kernel kills so where the pod's memory limit is reached"
    return RunError(text, status=status, log_tail=log_tail)


def start_failure(error: Exception, command: Command, root: Path) -> RunError:
    """Return the error for a process that could not be started."""
    reason, status = _start_reason(error, command, root)
    return RunError(f"the process could not be started: {reason}", status=status)


def _start_reason(error: Exception, command: Command, root: Path) -> tuple[str, int]:
    program, cwd = command.argv[0], command.cwd
    if not isinstance(error, OSError) or error.errno is None:
        return str(error), NOT_EXECUTABLE
    if error.filename == cwd != program:
        return f"{cwd}, as the step's user: {_words(error.errno)}", NOT_EXECUTABLE
    if error.errno == errno.ENOENT:
        return _not_found(program, root, command.env), NOT_FOUND
    if error.errno == errno.ENOEXEC:
        hint = "exec format error: it is neither a program for this machine nor a script that begins with #!"
        return f"{program}: {hint}", NOT_EXECUTABLE
    return f"{program}: {_words(error.errno)}", NOT_EXECUTABLE


def _not_found(program: str, root: Path, env: Mapping[str, str]) -> str:
    if "/" not in program:
        return f"{program}: executable file not found in $PATH ({env.get('PATH', '')})"
    if program.startswith("/") and os.path.lexists(str(root).rstrip("/") + resolve(root, program)):
        return f"{program} is there, but the interpreter or loader that it names is not"
    hint = '; an image without a shell, as one from scratch is, needs the form RUN ["program", "argument"]'
    return f"{program}: no such file or directory" + (hint if program.endswith("sh") else "")


def _words(number: int) -> str:
    return os.strerror(number).lower()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}" if number < 64 else ""
