"""What the executor's process is like once steps may do what they like."""

import shutil

import pytest

from support.executor import Executor
from yadokari_contract.reasons import Reason

pytestmark = pytest.mark.long


def test_before_the_first_step_the_process_closes_itself_to_what_steps_may_do(executor: Executor) -> None:
    done = executor("FROM scratch\nCMD x\n", "--no-push")
    assert done.state == {
        "code": 0,
        "cwd": str(executor.root),
        "path": [],
        "is_dumpable": False,
        "has_git": False,
        "has_traces": False,
    }


def test_a_client_of_git_is_loaded_where_a_step_needs_one(executor: Executor) -> None:
    done = executor("FROM scratch\nADD https://127.0.0.1:9/nowhere.git /\n", "--no-push")
    assert done.code == Reason.DOWNLOAD_FAILED.exit_code, done.log
    assert done.state["has_git"]


def test_what_a_step_leaves_behind_is_ended_before_the_next_one(executor: Executor) -> None:
    busybox = shutil.which("busybox") or pytest.skip("needs busybox-static")
    (executor.folder / "context").mkdir()
    shutil.copy(busybox, executor.folder / "context/busybox")
    orphan = "(busybox setsid sh -c 'busybox sleep 1; echo late > /late' &); busybox sleep 0.3"
    done = executor(
        "FROM scratch\nCOPY busybox /bin/busybox\nCOPY busybox /bin/sh\n"
        f"RUN busybox mkdir /dev && busybox mknod /dev/null c 1 3; {orphan}\n"
        "RUN busybox sleep 1.5; test ! -e /late\n",
        "--no-push",
    )
    assert done.code == 0, done.log
