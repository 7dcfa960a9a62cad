import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

# Forks a process at a time that does, over and over, what an exception can get lost in or must not leave half
# done; asks it to end at a random moment; prints how it ended.
MOMENTS = """
import collections, contextlib, json, logging, os, random, signal, socket, sys, threading, time, weakref
from pathlib import Path
from yadokari_builder.run import reaper
from yadokari_builder.run.cancellation import Cancellation
from yadokari_builder.run.command import Command
from yadokari_builder.run.process import beside, run_step

root, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
random.seed(seed)
sys.unraisablehook = lambda lost: None
logging.basicConfig(stream=open(os.devnull, "w"))

class Dying:
    def __del__(self):
        for _ in range(100): str(_)

def forget():
    kept = Dying()
    weakref.finalize(kept, str)
    reference = weakref.ref(kept, lambda _: [str(n) for n in range(100)])
    del kept
    for _ in range(100): str(_)

def threads():
    lock, done = threading.Lock(), threading.Event()
    thread = threading.Thread(target=lambda: (time.sleep(0.002), done.set()))
    thread.start()
    done.wait()
    thread.join()

def log():
    for number in range(20):
        logging.warning("line %d", number)

def hang():
    here, there = socket.socketpair()
    with here, there:
        here.recv(1)

def step():
    command = Command(["/bin/sh", "-c", "sleep 100 & sleep 100"], {"PATH": "/bin"})
    run_step(command, root=root, start=beside(command, root), stdin=0, output=lambda data: None)

def work(kind):
    while True:
        {"del": forget, "log": log, "threads": threads, "hang": hang, "step": step}[kind]()

def child(kind, ready, cleaned):
    cancellation = Cancellation(lambda: os._exit(98), patience=60)
    code = 1
    try:
        with cancellation:
            try:
                with contextlib.ExitStack() as stack:
                    stack.callback(lambda: (time.sleep(0.05), os.write(cleaned, b"a")))
                    os.write(ready, b"r")
                    work(kind)
            finally:
                time.sleep(0.05)
                os.write(cleaned, b"b")
    except KeyboardInterrupt:
        cancellation.end()
        os.write(cleaned, b"c")
        code = 143
    left = reaper.children()
    os._exit(code if not left else 99)

def trial(kind):
    ready, telling = os.pipe()
    cleaned, cleaning = os.pipe()
    pid = os.fork()
    if pid == 0:
        reaper.adopt_orphans()
        child(kind, telling, cleaning)
    os.close(telling)
    os.close(cleaning)
    os.read(ready, 1)
    time.sleep(random.random() * 0.04)
    os.kill(pid, signal.SIGTERM)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    text = os.read(cleaned, 99).decode()
    os.close(ready)
    os.close(cleaned)
    return [code, text]

kinds = sys.argv[4].split()
print(json.dumps(collections.Counter(json.dumps(trial(kinds[n % len(kinds)])) for n in range(count))))
"""


@pytest.mark.long
def test_a_cancellation_at_any_moment_ends_the_build_and_lets_it_clean_up(root: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MOMENTS, str(root), "75", str(seed), "del log threads hang step"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
        )
        for seed in range(4)
    ]  # fmt: skip
    for process in processes:
        shown, problems = process.communicate()
        assert problems == ""
        assert json.loads(shown) == {json.dumps([143, "abc"]): 75}


RUNNING = """
import logging, os, sys
from pathlib import Path
from yadokari_builder.run import reaper
from yadokari_builder.run.cancellation import Cancellation
from yadokari_builder.run.command import Command
from yadokari_builder.run.process import beside, run_step

logging.basicConfig(format="%(message)s", stream=sys.stdout)
reaper.adopt_orphans()
cancellation = Cancellation(lambda: os._exit(98), patience=60)
try:
    with cancellation:
        root, command = Path(sys.argv[1]), Command(["/bin/sh", "-c", sys.argv[2]], {"PATH": "/bin"})
        run_step(command, root=root, start=beside(command, root), stdin=0,
                 output=lambda data: print(data.decode(), end="", flush=True))
except KeyboardInterrupt:
    cancellation.end()
    print("cancelled")
"""


def running(root: Path, script: str, terminal: int | None = None) -> "subprocess.Popen[str]":
    # Whoever starts the tests in the background may have them ignore these, and their children with them.
    command = ["env", "--default-signal=INT,QUIT", sys.executable, "-c", RUNNING, str(root), script]
    if terminal is not None:
        command = ["setsid", "--ctty", *command]
    return subprocess.Popen(command, stdin=terminal, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)


NAMES = {
    signal.SIGTERM: "SIGTERM",
    signal.SIGINT: "SIGINT",
    signal.SIGQUIT: "SIGQUIT",
    signal.SIGHUP: "SIGHUP",
    signal.SIGUSR1: "SIGUSR1",
    signal.SIGWINCH: "SIGWINCH",
    signal.SIGRTMIN + 3: f"signal {signal.SIGRTMIN + 3}",
}
"""What asks for the end; that of nginx and of Apache, of HAProxy and of systemd are among them."""


@pytest.mark.parametrize("number", NAMES)
def test_a_signal_of_the_step_itself_is_no_cancellation(root: Path, number: int) -> None:
    # Without its own process namespace, the executor is the parent of the step's shell.
    text, _ = running(root, f"kill -{int(number)} $PPID; sleep 0.3; echo over").communicate(timeout=120)
    first, *rest = text.splitlines()
    assert first.startswith(f"{NAMES[number]} sent by process ")
    assert rest == ["over"]


@pytest.mark.parametrize("number", NAMES)
def test_a_signal_of_the_parent_is_one(root: Path, number: int) -> None:
    with running(root, "echo begun; sleep 100; echo over") as executor:
        assert executor.stdout
        assert executor.stdout.readline() == "begun\n"
        executor.send_signal(number)
        assert executor.stdout.read() == "cancelled\n"


def test_a_terminal_that_gets_another_size_is_none(root: Path) -> None:
    controller, terminal = os.openpty()
    try:
        with running(root, "echo begun; sleep 1; echo over", terminal) as executor:
            assert executor.stdout
            assert executor.stdout.readline() == "begun\n"
            fcntl.ioctl(controller, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
            assert executor.stdout.read() == "over\n"
    finally:
        os.close(controller)
        os.close(terminal)


def test_steps_get_the_signals_that_the_executor_keeps_from_itself(root: Path) -> None:
    script = "for n in TERM INT HUP USR1; do sh -c 'kill -$0 $$; echo not killed' $n; echo $?; done"
    text, _ = running(root, f"{script} 2>/dev/null").communicate(timeout=120)
    assert text.split() == ["143", "130", "129", "138"]


STUCK = """
import os, sys, threading
from yadokari_builder.run.cancellation import Cancellation
with Cancellation(lambda: os._exit(143), patience=0.3):
    try:
        print("begun", flush=True)
        threading.Event().wait()
    finally:
        threading.Event().wait()
"""


def test_a_build_that_does_not_end_by_itself_is_abandoned() -> None:
    command = [sys.executable, "-c", STUCK]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as stuck:
        assert stuck.stdout
        assert stuck.stdout.readline() == "begun\n"
        stuck.terminate()
        assert stuck.wait(timeout=120) == 143


LOCKED = """
import os, threading, time
from yadokari_builder.run.cancellation import Cancellation
cancellation = Cancellation(lambda: os._exit(98), patience=60)
condition = threading.Condition(threading.Lock())

def keep_waiting():
    with condition:
        condition.notify()
        print("begun", flush=True)
        time.sleep(1)

try:
    with cancellation, condition:
        threading.Thread(target=keep_waiting).start()
        condition.wait()
        time.sleep(10)
except KeyboardInterrupt:
    cancellation.end()
    print("cancelled")
"""


def test_a_lock_that_is_waited_for_again_is_taken_first() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LOCKED],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
    ) as executor:  # fmt: skip
        assert executor.stdout
        assert executor.stdout.readline() == "begun\n"
        executor.send_signal(signal.SIGTERM)
        assert executor.communicate(timeout=120) == ("cancelled\n", "")
