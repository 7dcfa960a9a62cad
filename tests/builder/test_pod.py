import json
import os
import subprocess
from pathlib import Path

import pytest

from support.pod import Bind, run_pod, why_no_containers
from support.pod.api import COMMAND

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(why_no_containers() is not None, reason=str(why_no_containers())),
]

BUSYBOX = "/busybox/busybox"


def shell(script: str, *binds: Bind, **options: object) -> str:
    result = run_pod(
        ["sh", "-c", script], image="debug", entrypoint=BUSYBOX, binds=binds, **options  # type: ignore[arg-type]
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return result.output


def test_the_exit_code_is_the_programs() -> None:
    assert run_pod(["sh", "-c", "exit 11"], image="debug", entrypoint=BUSYBOX).exit_code == 11


def test_a_bound_folder_is_seen_at_its_own_path_read_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    script = f"cat {tmp_path}/file; touch {tmp_path}/new 2>/dev/null || echo ' read-only'"
    assert shell(script, Bind(str(tmp_path))) == "here read-only\n"


def test_a_writable_bind_is_made_and_written_to(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    shell("echo out > /out/file", Bind(str(folder), "/out", writable=True))
    assert (folder / "file").read_text() == "out\n"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = run_pod([], binds=[Bind(str(tmp_path / "missing"))], entrypoint="/yadokari/executor")
    assert result.exit_code == 125
    assert str(tmp_path / "missing") in result.output


def test_a_relative_bind_makes_relative_arguments_mean_what_they_say(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    command = ["--image=debug", f"--entrypoint={BUSYBOX}", "--bind=work/new/..:rw", "--"]
    subprocess.run([str(COMMAND), *command, "touch", "work/made"], cwd=tmp_path, check=True)
    assert os.listdir(tmp_path / "work") == ["made"]


def test_every_pod_has_a_root_of_its_own() -> None:
    assert shell("ls -d /mark 2>/dev/null; touch /mark && ls -d /mark") == "/mark\n"
    assert shell("ls -d /mark 2>/dev/null; echo gone") == "gone\n"


def test_the_capabilities_are_those_that_kubernetes_gives() -> None:
    assert "CapEff:\t00000000a80425fb\n" in shell("cat /proc/1/status")


def test_what_the_kubelet_mounts_is_mounted_and_writable() -> None:
    script = "for f in /etc/hosts /etc/hostname /etc/resolv.conf /dev/termination-log; do echo x >> $f; done"
    assert shell(f"{script}; rm /etc/hosts 2>&1 || true").endswith("Device or resource busy\n")


def test_variables_and_standard_input_reach_the_program() -> None:
    assert shell("cat; echo $GREETING", stdin="hello ", env={"GREETING": "you"}) == "hello you\n"


def test_more_memory_than_the_limit_ends_the_program() -> None:
    script = ["-ISB", "-c", "bytearray(200_000_000)"]
    result = run_pod(script, entrypoint="/yadokari/bin/python3", memory=60_000_000)
    assert result.exit_code == 137


def test_the_report_tells_peak_memory_seconds_and_exit_code() -> None:
    script = "import time; x = bytearray(100_000_000); y = sum(range(3_000_000)); time.sleep(0.1); 1 // 0"
    report = run_pod(["-ISB", "-c", script], entrypoint="/yadokari/bin/python3").report
    assert report is not None
    assert report.exit_code == 1
    assert 100e6 < report.peak_rss_bytes < 120e6
    assert abs(report.peak_rss_of_any_bytes - report.peak_rss_bytes) < 2e6
    assert report.wall_seconds > 0.1
    assert report.cpu_seconds > 0.01


def test_memory_of_a_child_is_not_taken_for_the_programs() -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'bytearray(100_000_000)'])"
    report = run_pod(["-ISB", "-c", script], entrypoint="/yadokari/bin/python3").report
    assert report is not None
    assert report.peak_rss_bytes < 50e6
    assert report.peak_rss_of_any_bytes > 100e6


def test_a_signal_reaches_the_program_and_its_exit_code_is_kept() -> None:
    script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    command = [str(COMMAND), "--image=debug", f"--entrypoint={BUSYBOX}", "--", "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as pod:
        assert pod.stdout is not None
        pod.stdout.readline()
        pod.terminate()
        assert pod.wait(30) == 9


def test_an_image_is_built_from_the_mirrored_base(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo built > /built\n")
    arguments = ["--context", f"dir://{tmp_path}", "--no-push", "--oci-layout-path", f"{tmp_path}/out/image"]
    binds = [Bind(str(tmp_path)), Bind(str(tmp_path / "out"), writable=True)]
    (tmp_path / "out").mkdir()
    result = run_pod(arguments, binds=binds)
    assert result.exit_code == 0, result.output
    index = json.loads((tmp_path / "out/image/index.json").read_text())
    assert len(index["manifests"]) == 1
