"""Builds in a pod, as kaniko's users start them."""

import base64
import json
import subprocess
import threading
from pathlib import Path

import pytest

from support.layout import Layout
from support.pod import Bind, PodResult, run_pod, why_no_containers
from support.pod.api import COMMAND

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]


def build(folder: Path, dockerfile: str, *arguments: str, env: dict[str, str] | None = None) -> PodResult:
    context = folder / "context"
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text(dockerfile)
    out = folder / "out"
    out.mkdir(exist_ok=True)
    return run_pod(
        [f"--context=dir://{context}", *arguments],
        binds=[Bind(str(context)), Bind(str(out), writable=True)],
        env=env,
    )


def test_all_outputs_hold_the_same_image(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = build(
        tmp_path,
        "FROM busybox\nRUN echo hello > /greeting\nLABEL a=b\n",
        "--no-push",
        f"--oci-layout-path={out / 'oci'}",
        f"--tar-path={out / 'image.tar'}",
        f"--digest-file={out / 'digest'}",
        f"--result-file={out / 'result'}",
        "--destination=registry.example.com/team/app:1",
        "--label=c=d",
    )
    assert result.exit_code == 0, result.output
    layout = Layout(out / "oci")
    assert (out / "digest").read_text() == layout.digest
    written = json.loads((out / "result").read_text())
    assert written["digest"] == layout.digest
    assert written["failure"] is None
    assert layout.config["config"]["Labels"] == {"a": "b", "c": "d"}
    archived = subprocess.run(
        ["skopeo", "inspect", "--config", f"docker-archive:{out / 'image.tar'}"],
        capture_output=True,
        check=True,
    )
    assert json.loads(archived.stdout)["rootfs"] == layout.config["rootfs"]


def test_progress_is_told_step_by_step(tmp_path: Path) -> None:
    result = build(tmp_path, "FROM busybox\nRUN echo from the step\nENV A=b\n", "--no-push")
    assert "STEP 1/3 FROM busybox" in result.output
    assert "STEP 2/3 RUN echo from the step\nfrom the step\n  done in " in result.output
    assert "\x1b[" not in result.output


def test_a_step_that_fails_names_its_line_and_leaves_a_result(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = build(
        tmp_path, "FROM busybox\n\nRUN echo last words && exit 7\n", "--no-push", f"--result-file={out / 'r'}"
    )
    assert result.exit_code == 11
    assert "Dockerfile:3: the process did not complete successfully: exit code: 7" in result.output
    assert "Traceback" not in result.output
    failure = json.loads((out / "r").read_text())["failure"]
    assert (failure["reason"], failure["line"]) == ("StepFailed", 3)
    assert "last words" in failure["log_tail"]


@pytest.mark.parametrize(
    ("dockerfile", "arguments", "code", "message"),
    [
        ("FORM busybox\n", ["--no-push"], 10, "unknown instruction: FORM (did you mean FROM?)"),
        ("FROM busybox\nCOPY missing /\n", ["--no-push"], 14, '"/missing": not found'),
        ("FROM 127.0.0.1:9/nowhere\n", ["--no-push", "--insecure-pull"], 20, "127.0.0.1:9"),
        ("FROM busybox\n", [], 2, "no --destination says where to push"),
        ("FROM busybox\n", ["--no-push", "--cache=true"], 2, "--cache has no place"),
        ("FROM busybox\n", ["--no-push", "--target=none"], 10, 'target stage "none" could not be found'),
        ("FROM busybox\n", ["--no-push", "--dockerfile=other"], 14, "other"),
        ("FROM busybox\nRUN --device=gpu true\n", ["--no-push"], 10, "device"),
    ],
)
def test_what_cannot_be_built_is_explained_and_has_its_own_exit_code(
    tmp_path: Path, dockerfile: str, arguments: list[str], code: int, message: str
) -> None:
    result = build(tmp_path, dockerfile, *arguments)
    assert result.exit_code == code, result.output
    assert message in result.output
    assert "Traceback" not in result.output


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seconds", [0.1, 0.35, 0.6, 0.85])
def test_a_signal_ends_a_build_also_while_a_step_prints_much(tmp_path: Path, seconds: float) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo ready; yes 'a line of some length'\n")
    command = [str(COMMAND), f"--bind={tmp_path}", "--", f"--context=dir://{tmp_path}", "--no-push"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pod:
        assert pod.stdout
        for line in pod.stdout:
            if line == "ready\n":
                break
        threading.Timer(seconds, pod.terminate).start()
        output = pod.stdout.read()
    assert pod.returncode == 143
    assert "error: the build was cancelled" in output
    assert "Traceback" not in output


def test_a_step_cannot_get_at_the_registrys_credentials(tmp_path: Path) -> None:
    secret = base64.b64encode(b"user:correct horse").decode()
    result = build(
        tmp_path,
        "FROM busybox\nRUN env; tr '\\0' '\\n' < /proc/1/environ; cat /proc/1/mem /proc/1/cmdline;"
        " ls -l /proc/1/fd;"
        " find / -xdev -type f -size -100k -exec grep -l 'correct horse' {} +; true\n",
        "--no-push",
        env={"DOCKER_AUTH_CONFIG": json.dumps({"auths": {"registry.example.com": {"auth": secret}}})},
    )
    assert result.exit_code == 0, result.output
    assert secret not in result.output
    assert "DOCKER_AUTH_CONFIG" not in result.output
    assert "/proc/1/environ: Permission denied" in result.output


def test_what_is_mounted_is_neither_changed_nor_in_a_layer(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted" / "file").write_text("mine")
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(
        "FROM busybox\nRUN cat /usr/mine/file; echo x > /etc/hosts; echo y > /usr/y\n"
    )
    out.mkdir()
    result = run_pod(
        [f"--context=dir://{context}", "--no-push", f"--oci-layout-path={out / 'oci'}"],
        binds=[
            Bind(str(context)),
            Bind(str(out), writable=True),
            Bind(str(tmp_path / "mounted"), "/usr/mine", writable=True),
        ],
    )
    assert result.exit_code == 0, result.output
    assert "mine" in result.output
    assert (tmp_path / "mounted" / "file").read_text() == "mine"
    assert Layout(out / "oci").names_in_layers(skip=1) == {"usr", "usr/y"}


def test_outside_of_a_container_nothing_is_touched(tmp_path: Path) -> None:
    done = subprocess.run(
        [".venv/bin/python", "-m", "yadokari_builder", "--no-push", f"--context={tmp_path}"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "--force" in done.stderr
