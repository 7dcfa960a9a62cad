"""A step's process, from its start until nothing of it is left."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from yadokari_builder.errors import RunError
from yadokari_builder.rootfs.paths import resolve
from yadokari_builder.run import failures, reaper
from yadokari_builder.run.cancellation import unblock, uninterrupted
from yadokari_builder.run.command import Command, Process, ProcessUser
from yadokari_builder.run.isolation import isolated
from yadokari_builder.run.output import Tail, drain, pump

GRACE = 5.0
"""Seconds that a cancelled step has after SIGTERM."""


Start = Callable[[int, int], Process]
"""Starts a step's process, which reads from the first descriptor and writes to the second.

Raises `RunError`, and for a program that cannot be started what `subprocess` raises."""


def run_step(
    command: Command,
    *,
    root: Path,
    start: Start,
    stdin: int,
    output: Callable[[bytes], None],
    grace: float = GRACE,
) -> None:
    """Run a program in `root` and return when its process and all that it started are gone.

    The step ends when its main process ends; what that left behind is killed and reaped. Its working
    directory is made where it is missing, as runc does it. `stdin` is an open file; `output` gets stdout and
    stderr in the order written, in chunks of any length as they come. An exception that reaches the caller
    while the step runs, such as one that a signal handler raises, ends the step's processes by SIGTERM and,
    `grace` seconds later, SIGKILL.

    Raises `RunError` where the program cannot be started or fails. Only one step may run at a time, and no
    other thread may start processes meanwhile.
    """
    _make_working_directory(root, command.cwd)
    kept = reaper.children()
    not_of_it = {each.pid for each in kept}
    tail = Tail()

    def passed_on(chunk: bytes) -> None:
        tail.add(chunk)
        output(chunk)

    with _output_pipe(command.user) as (source, sink):
        process = None
        try:
            try:
                with uninterrupted():
                    process = start(stdin, sink)
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                raise failures.start_failure(error, command, root) from error
            finally:
                os.close(sink)
            with _end_of(process.pid) as ended:
                pump(source, ended, passed_on, lambda: reaper.reap_orphans(not_of_it | {process.pid}))
            process.wait()
            grace = 0.0
        finally:
            reaper.end_all(kept, grace=grace)
            if process:
                process.wait()
        drain(source, passed_on)
    if process.returncode:
        raise failures.step_failure(process.returncode, tail.text())


def beside(command: Command, root: Path) -> Start:
    """Return what starts a program in the executor's own namespaces, with `root` for its root."""

    def start(stdin: int, sink: int) -> Process:
        return isolated(lambda: _start(command, stdin, sink), root, command.network)

    return start


def _start(command: Command, stdin: int, sink: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command.argv,
        stdin=stdin,
        stdout=sink,
        stderr=sink,
        env=command.env,
        cwd=command.cwd,
        user=command.user.uid,
        group=command.user.gid,
        extra_groups=command.user.groups,
        umask=0o022,
        start_new_session=True,
        preexec_fn=unblock,
    )


@contextmanager
def _output_pipe(user: ProcessUser) -> Iterator[tuple[int, int]]:
    """Make a pipe whose reading end does not block; the writing end is the caller's to close.

    It is the user's, as runc does it, so that /dev/stdout and /dev/stderr can be opened.
    """
    source, sink = os.pipe()
    os.fchown(sink, user.uid, -1)
    os.set_blocking(source, False)
    try:
        yield source, sink
    finally:
        os.close(source)


@contextmanager
def _end_of(pid: int) -> Iterator[int]:
    """Give a descriptor that can be read once the child has ended; the child stays to be waited for.

    A thread waits because a pidfd needs Linux 5.3, and nodes of long-lived distributions are older.
    """
    ended, waiting = os.pipe()

    def wait() -> None:
        # A cancelled step's process may be reaped before this thread sees its end.
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        os.close(waiting)

    threading.Thread(target=wait, name="step-end", daemon=True).start()
    try:
        yield ended
    finally:
        os.close(ended)


def _make_working_directory(root: Path, cwd: str) -> None:
    path = str(root).rstrip("/") + resolve(root, cwd)
    try:
        os.makedirs(path, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise RunError(f"the working directory {cwd} is not a directory", status=126) from None
