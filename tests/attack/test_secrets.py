"""Steps that look for secrets which other steps were given, or keep those that they were given themselves."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from support.building import build
from support.folders import remove_tree, scratch_folder
from support.pod import why_no_containers
from support.pod.api import COMMAND

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]

SECRET = "open-sesame-7f3a"
# Not the secret as it is: the Dockerfile and the processes' arguments hold this, too.
PATTERN = f"open-sesam[e]-{SECRET[12:]}"
EVERYWHERE = "/dev/shm /etc /home /kept /opt /run /tmp /var /yadokari/work /yadokari/tmp"
SEARCH = (
    f"test -z \"$(grep -rls '{PATTERN}' {EVERYWHERE} /proc/[0-9]*/environ /proc/[0-9]*/cmdline;"
    f" env | grep '{PATTERN}')\""
)
BASE64 = "b3Blbi1zZXNhbWUtN2YzYQ=="


@pytest.mark.parametrize(
    "given", ["env=S", "target=/run/secrets/s", "target=/opt/deep/s", "target=/etc/passwd"]
)
def test_a_secret_is_gone_after_the_step_that_asked_for_it(tmp_path: Path, given: str, kind: str) -> None:
    show = "echo $S" if given == "env=S" else f"cat {given.removeprefix('target=')}"
    built = build(
        tmp_path,
        f"FROM busybox\nRUN --mount=type=secret,id=s,{given} {show} | grep -q '{PATTERN}' && echo had it\n"
        f"RUN {SEARCH} && echo nothing is left\n",
        "--secret=id=s,env=s",
        env={"s": SECRET},
        kind=kind,
    )
    assert built.result.exit_code == 0, built.output
    assert "\nhad it\n" in built.output
    assert "\nnothing is left\n" in built.output
    assert SECRET not in built.output
    assert SECRET not in str(built.image.config)


def test_a_step_that_does_not_ask_for_a_secret_finds_none(tmp_path: Path, kind: str) -> None:
    built = build(
        tmp_path,
        f"FROM busybox\nRUN echo open-sesame-$(echo {SECRET[12:]}) > /kept; ! {SEARCH} && rm /kept\n"
        f"RUN {SEARCH} && echo nothing\n",
        "--secret=id=s,env=s,encoding=base64",
        env={"s": BASE64},
        kind=kind,
    )
    assert built.result.exit_code == 0, built.output
    assert "\nnothing\n" in built.output


def test_what_a_step_leaves_running_does_not_hand_its_secret_on(tmp_path: Path, kind: str) -> None:
    built = build(
        tmp_path,
        "FROM busybox\n"
        "RUN --mount=type=secret,id=s,env=S (trap '' TERM; setsid sleep 60 >/dev/null 2>&1 &); sleep 0.3\n"
        f"RUN {SEARCH} && echo nothing\n",
        "--secret=id=s,env=s",
        env={"s": SECRET},
        kind=kind,
    )
    assert built.result.exit_code == 0, built.output
    assert "\nnothing\n" in built.output


@pytest.mark.parametrize("keep", ["ln", "mv"])
def test_a_step_cannot_keep_a_secrets_file_by_another_name(tmp_path: Path, keep: str, kind: str) -> None:
    built = build(
        tmp_path,
        f"FROM busybox\nRUN --mount=type=secret,id=s {keep} /run/secrets/s /kept\nRUN true\n",
        "--secret=id=s,env=s",
        env={"s": SECRET},
        kind=kind,
    )
    assert built.result.exit_code == 11, built.output


def test_a_secret_is_for_the_user_that_it_is_given_to(tmp_path: Path, kind: str) -> None:
    built = build(
        tmp_path,
        "FROM busybox\nUSER 1234\n"
        "RUN --mount=type=secret,id=s ! cat /run/secrets/s\n"
        f"RUN --mount=type=secret,id=s,uid=1234 grep -q '{PATTERN}' /run/secrets/s && echo its own\n",
        "--secret=id=s,env=s",
        env={"s": SECRET},
        kind=kind,
    )
    assert built.result.exit_code == 0, built.output
    assert "\nits own\n" in built.output


def test_a_secret_that_is_written_into_the_image_is_warned_of(tmp_path: Path, kind: str) -> None:
    built = build(
        tmp_path,
        "FROM busybox\n"
        "RUN --mount=type=secret,id=s mkdir /app && cat /run/secrets/s > /app/config\n"
        "RUN --mount=type=secret,id=s,env=S echo x$S | base64 > /encoded\n",
        "--secret=id=s,env=s",
        env={"s": SECRET},
        kind=kind,
    )
    assert built.result.exit_code == 0, built.output
    assert "Dockerfile:2: the value of the secret s is in the image, in /app/config:" in built.output
    assert "Dockerfile:3: the value of the secret s is in the image, in /encoded:" in built.output
    assert SECRET not in built.output


@pytest.mark.parametrize("target", ["/run/secrets/s", "/etc/passwd"])
def test_a_secret_of_a_step_apart_is_on_no_disk_while_it_has_it_nor_after_a_kill(
    tmp_path: Path, target: str
) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM busybox\n"
        f"RUN --mount=type=secret,id=s,target={target} grep -q '{PATTERN}' {target} && echo begun; sleep 60\n"
    )
    options = ["--kind=namespaces", "--keep", f"--env=s={SECRET}", f"--bind={tmp_path}"]
    arguments = [f"--context=dir://{tmp_path}", "--no-push", "--secret=id=s,env=s"]
    with subprocess.Popen(
        [COMMAND, *options, "--", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pod:
        assert pod.stdout
        log = ""
        while "\nbegun\n" not in log and (line := pod.stdout.readline()):
            log += line
        (folder,) = (scratch_folder() / "pods").glob(f"yadokari-pod-{pod.pid}-*")
        found = files_with_secret(folder / "upper")
        os.kill(int((folder / "pid").read_text()), signal.SIGKILL)
        log += pod.stdout.read()
    kept = folder.with_name(f"kept-{folder.name}")
    try:
        assert pod.returncode == 137, log
        assert (found, files_with_secret(kept / "upper")) == ("", "")
    finally:
        remove_tree(kept)


def files_with_secret(folder: Path) -> str:
    """What is the node's disk, since the pod's root lies there."""
    assert folder.is_dir()
    return subprocess.run(["grep", "-rls", SECRET, folder], stdout=subprocess.PIPE, text=True).stdout
