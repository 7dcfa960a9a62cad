import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from yadokari_builder.errors import RunError
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.run.volumes import Volumes

MOUNTS = (
    *("/dev", "/dev/shm", "/etc/hosts", "/proc", "/proc/sys", "/sys/fs/cgroup", "/yadokari/input/context"),
    *("/data/in", "/workspace", "/run/secrets/kubernetes.io/serviceaccount"),
)
TOKEN = "/run/secrets/kubernetes.io/serviceaccount"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in ("data/in/deep", "workspace", TOKEN[1:], "var", "home", "yadokari/lib", "dev"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "workspace/file").write_text("of the volume")
    (tmp_path / "var/run").symlink_to("/run")
    (tmp_path / "link").symlink_to("workspace")
    return tmp_path


def volumes(root: Path, written: Iterable[str] = ()) -> Volumes:
    boundary = Boundary(root, frozenset({*MOUNTS, "/yadokari"}))
    return Volumes.among(MOUNTS, boundary, ("/yadokari", "/busybox"), written)


def test_volumes_are_what_not_every_pod_has_and_not_the_executor(root: Path) -> None:
    assert volumes(root).paths == {"/data/in", "/workspace", TOKEN}


@pytest.mark.parametrize(
    "folder", ["/workspace", "/workspace/sub", "/link/x", "/data/in", "/home/../workspace"]
)
def test_a_step_cannot_work_in_a_volume(root: Path, folder: str) -> None:
    with pytest.raises(
        RunError, match=f"working directory {folder} .* mounted at /(workspace|data/in). Mount it"
    ):
        volumes(root).require_free(folder)


def test_a_step_cannot_work_among_the_executors_files(root: Path) -> None:
    (root / "there").symlink_to("/yadokari/lib")
    with pytest.raises(
        RunError, match="/there/x is not the image's: the executor's own files are in /yadokari"
    ):
        volumes(root).require_free("/there/x")


@pytest.mark.parametrize("folder", ["/", "/home", "/data", "/dev/shm", "/proc/self", "/not/there"])
def test_a_step_can_work_elsewhere(root: Path, folder: str) -> None:
    volumes(root).require_free(folder)


def step(
    root: Path, action: str, text: str = "", strangers: tuple[str, ...] = (), **options: list[str]
) -> None:
    with volumes(root, **options).watched(text, lambda: strangers):
        assert os.system(f"cd {root} && {action}") == 0


@pytest.mark.parametrize(
    ("action", "changed"),
    [
        ("echo x > workspace/built", "/workspace"),
        ("echo x >> workspace/file", "/workspace/file"),
        ("chmod 700 data/in/deep", "/data/in/deep"),
        ("touch data/in/deep/new", "/data/in/deep"),
        ("rm workspace/file", "/workspace"),
        ("sleep 0.01; touch -d @0 workspace/file", "/workspace/file"),
    ],
)
def test_a_step_that_changes_a_volume_fails(root: Path, action: str, changed: str) -> None:
    with pytest.raises(RunError, match=f"^{changed} was changed while the step ran; .* such as /kaniko/"):
        step(root, action, action)


@pytest.mark.parametrize(
    "text", ["cp a /workspace/b", "cd link/; make", "cp a ../workspace", "make >workspace/x"]
)
def test_a_volume_is_named_by_a_path_of_any_kind(root: Path, text: str) -> None:
    (root / "link").unlink()
    (root / "link").symlink_to("/workspace")
    with pytest.raises(RunError, match=r"^/workspace was changed while the step ran;"):
        step(root, "touch workspace/new", text.replace("cd link/", "cd /link/"))


def test_what_another_container_does_in_a_volume_is_no_fault_of_a_step(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    step(root, "echo a line of a log >> workspace/file", "make install && ls -la /")
    assert "/workspace/file was changed while the step ran, by it or by another container" in caplog.text


@pytest.mark.parametrize("action", ["cat workspace/file", "echo x > home/file", "mkdir data/other", "ls -lR"])
def test_a_step_that_reads_a_volume_or_writes_beside_it_goes_on(root: Path, action: str) -> None:
    step(root, action)


def test_what_the_executor_writes_is_nobodys_fault(root: Path) -> None:
    (root / "data/in/caches").mkdir()
    step(root, "touch data/in/caches/package", written=["/data/in/caches"])


def test_a_folder_that_is_there_for_a_volume_alone_cannot_be_made(root: Path) -> None:
    with pytest.raises(RunError, match=r"the image has no /data and does not get one .* mounted at /data/in"):
        step(root, "mkdir -p data", "/bin/sh -c mkdir -p '/data'", ("/data",))
    for text in ("mkdir -p /data/other", "mkdir -p /database", "mkdir -p ./data a/data", "mkdir /var"):
        step(root, "true", text, ("/data",))
    step(root, "true", "mkdir -p /data", ())


@pytest.mark.parametrize(
    "path", ["/loop", "/loop/in", f"/{300 * 'n'}", f"/{3000 * 'n/'}", "/nul\0byte", "/home/\0"]
)
def test_what_no_path_can_be_names_no_volume(root: Path, path: str) -> None:
    (root / "loop").symlink_to("loop")
    step(root, "true", f"echo {path}", ("/data",))
    with pytest.raises(RunError, match=r"^/workspace was changed while the step ran;"):
        step(root, "touch workspace/new", f"echo {path} > /workspace/new")
    failed = RunError("it failed", status=1, log_tail=f"{path} /workspace/file")
    with (
        pytest.raises(RunError, match=r"^it failed; a volume of the pod is mounted at /workspace\. "),
        volumes(root).watched("make", tuple),
    ):
        raise failed


@pytest.mark.parametrize(
    ("text", "tail", "advice"),
    [
        (
            "mkdir /workspace",
            "mkdir: can't create directory '/workspace': File exists",
            "at /workspace. Mount it",
        ),
        ("make", "cp: can't create '/link/x': Read-only file system", "at /workspace. Mount it"),
        ("chown -R www-data /var/run/", "", "Set automountServiceAccountToken: false"),
        ("true", f"chown: {TOKEN}/token: Read-only file system", "Set automountServiceAccountToken: false"),
    ],
)
def test_a_step_that_fails_at_a_volume_is_told_of_it(root: Path, text: str, tail: str, advice: str) -> None:
    with pytest.raises(RunError) as caught, volumes(root).watched(text, tuple):
        raise RunError("it failed", status=1, log_tail=tail)
    assert str(caught.value).startswith("it failed; ")
    assert advice in str(caught.value)


def test_a_step_that_fails_elsewhere_is_told_nothing_of_volumes(root: Path) -> None:
    with pytest.raises(RunError) as caught, volumes(root).watched("cd / && make -C /home", tuple):
        raise RunError("it failed", status=1, log_tail="/home/x: no such file")
    assert str(caught.value) == "it failed"


def test_of_a_large_volume_a_part_is_looked_at(root: Path) -> None:
    for number in range(11_000):
        (root / f"workspace/{number:05}").touch()
    with pytest.raises(RunError, match="/workspace was changed"):
        step(root, "touch workspace/new", "touch workspace/new")
    step(root, "chmod 700 workspace/10999", "chmod 700 workspace/10999")
