import os
import subprocess
import sys

import pytest

SCRIPT = """
import ctypes, os
from yadokari_builder.run.ipc import unshared
libc = ctypes.CDLL(None, use_errno=True)

def make(uid):
    pid = os.fork()
    if pid == 0:
        os.setresuid(uid, uid, uid)
        made = (libc.shmget(0, 4096, 0o1600), libc.semget(0, 2, 0o1600), libc.msgget(0, 0o1600))
        os._exit(min(made) < 0)
    assert os.waitpid(pid, 0)[1] == 0

def counts():
    return [len(open("/proc/sysvipc/" + kind).readlines()) - 1 for kind in ("shm", "sem", "msg")]

make(0)
print(counts())
with unshared():
    make(0)
    make(1001)
    make(1001)
    print(counts())
print(counts())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="an IPC namespace is made by root only")
def test_what_a_step_shares_is_gone_after_it_whoever_it_ran_as() -> None:
    # Root without CAP_SYS_ADMIN, as in a pod.
    command = ["unshare", "--ipc", "setpriv", "--bounding-set=-sys_admin", sys.executable, "-c", SCRIPT]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    shown = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert shown.stderr == ""
    assert shown.stdout.splitlines() == ["[1, 1, 1]", "[4, 4, 4]", "[1, 1, 1]"]
