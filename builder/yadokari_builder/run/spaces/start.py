"""Starting a process as the first one of namespaces of its own.

A user namespace can be made only by a process of one thread, and what is in a new PID namespace is the next
process that is forked. So there are two forks: the first child makes the namespaces, its parent says who is
who in them, and the second child, the first process in them, mounts what it is to see. The first child ends,
and the executor, which adopts every orphan, becomes the second one's parent.
"""

import errno
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from yadokari_builder.run import kernel
from yadokari_builder.run.cancellation import unblock
from yadokari_builder.run.command import Command
from yadokari_builder.run.descriptors import close_all_but
from yadokari_builder.run.isolation import raise_loopback
from yadokari_builder.run.spaces import calls
from yadokari_builder.run.spaces.view import View, enter

SPACES = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
)

# What containers have by default (capabilities(7)): CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID,
# SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP. With others a step
# could take away what is mounted.
_CAPABILITIES = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31})
_MOST_CAPABILITIES = 64
_LONGEST_NAME = 1024
_CHUNK = 65536


class SpacesError(Exception):
    """The kernel refused something that a step's namespaces need, with the errno `number`."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.message = message
        self.number = number


@dataclass(slots=True)
class Adopted:
    """The first process of its namespaces, whose end is the end of all others in them."""

    pid: int
    returncode: int | None = None

    def wait(self) -> int:
        """Wait for its end and return what it ended with (negative: by that signal)."""
        if self.returncode is None:
            try:
                self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            except ChildProcessError:  # somebody else has waited for it
                self.returncode = 0
        return self.returncode


def start(command: Command, view: View, stdin: int, sink: int) -> Adopted:
    """Start a program whose root is the view's; it reads from `stdin` and writes to `sink`.

    Raises `SpacesError`, and for a program that cannot be started `OSError` or `ValueError` as `subprocess`
    does.
    """
    alone = command.network == "none"

    def become() -> None:
        enter(view)
        if alone:
            raise_loopback()
        calls.take_away()
        _limit_capabilities()

    spaces = SPACES | (kernel.CLONE_NEWNET if alone else 0)
    return first_process(spaces, become, lambda telling: _execute(command, stdin, sink, telling))


def first_process(spaces: int, become: Callable[[], None], act: Callable[[int], None]) -> Adopted:
    """Have a new process be the first of new namespaces: `become` prepares it, `act` is what it then does.

    The descriptor that `act` gets tells of failures, and has to stay open.

    Returns once `act` has ended or executed a program. Raises `SpacesError` for what fails before, and
    `OSError` or `ValueError` for what fails in `act`. Orphans are to be adopted (see `reaper`).
    """
    told, telling = os.pipe()
    answered, answering = os.pipe()
    middle = os.fork()
    if middle == 0:
        os.close(answering)
        _divide(spaces, telling, answered, become, act)
    os.close(telling)
    os.close(answered)
    try:
        with open(told, encoding="ascii") as lines:
            if (line := lines.readline()) == "made\n":
                with _refused_to_spaces():
                    _map_ids(middle)
                os.write(answering, b"\n")
                line = lines.read()
    finally:
        os.close(answering)
        os.waitpid(middle, 0)
    return _understood(line)


def _divide(
    spaces: int, telling: int, answered: int, become: Callable[[], None], act: Callable[[int], None]
) -> None:
    """Be the first child, and in another process the second; neither returns."""
    try:
        with _refused_to_spaces():
            kernel.unshare(spaces)
        os.write(telling, b"made\n")
        if not os.read(answered, 1):
            return
        if pid := os.fork():
            os.write(telling, b"%d\n" % pid)
            return
        with _refused_to_spaces():
            become()
        act(telling)
    except BaseException as error:
        os.write(telling, json.dumps(_described(error)).encode() + b"\n")
    finally:
        os._exit(0)


def _map_ids(pid: int) -> None:
    """Give a new user namespace all ids that this process has, each for itself (user_namespaces(7))."""
    for kind in ("uid_map", "gid_map"):
        with open(f"/proc/self/{kind}", encoding="ascii") as own:
            mine = [line.split() for line in own]
        with open(f"/proc/{pid}/{kind}", "w", encoding="ascii") as theirs:
            theirs.write("".join(f"{first} {first} {count}\n" for first, _, count in mine))


def _limit_capabilities() -> None:
    for number in range(_MOST_CAPABILITIES):
        if number not in _CAPABILITIES:
            try:
                kernel.drop_capability(number)
            except OSError as error:
                if error.errno == errno.EINVAL:  # the kernel knows none from here on
                    return
                raise


def _execute(command: Command, stdin: int, sink: int, telling: int) -> None:
    for target, source in enumerate((stdin, sink, sink)):
        os.dup2(source, target)
    close_all_but((telling,))
    try:
        os.setsid()
        os.umask(0o022)
        os.setgroups(command.user.groups)
        os.setresgid(*[command.user.gid] * 3)
        os.setresuid(*[command.user.uid] * 3)
        os.chdir(command.cwd)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        unblock()
        os.execvpe(command.argv[0], [*command.argv], command.env)  # noqa: S606
    except OSError as error:
        is_folder = error.filename == command.cwd
        raise OSError(error.errno, error.strerror, command.cwd if is_folder else command.argv[0]) from None


@contextmanager
def _refused_to_spaces() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise SpacesError(f"{where}{error.strerror}", error.errno or 0) from error


def _described(error: BaseException) -> dict[str, Any]:
    """Say what went wrong in a child, for its parent."""
    match error:
        case SpacesError():
            return {"spaces": error.message[:_LONGEST_NAME], "number": error.number}
        case OSError():
            return {"number": error.errno, "name": os.fsdecode(error.filename or "")[:_LONGEST_NAME]}
        case _:
            return {"value": str(error)[:_LONGEST_NAME]}


def _understood(lines: str) -> Adopted:
    """Read what the children have said: the second one's number, and what went wrong."""
    child = Adopted(0)
    failure: dict[str, Any] = {}
    for line in lines.splitlines():
        if line.isdigit():
            child = Adopted(int(line))
        else:
            failure = json.loads(line)
    if not failure and child.pid:
        return child
    if child.pid:
        child.wait()
    if "spaces" in failure:
        raise SpacesError(failure["spaces"], failure["number"])
    if "number" in failure:
        raise OSError(failure["number"], os.strerror(failure["number"]), failure["name"])
    raise ValueError(failure.get("value", "the process ended before its program was started"))
