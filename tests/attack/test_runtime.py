"""Steps that write the executor's own files, which are mounted as the operator's pods have them."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from support.attack import CAN_BE_WRITTEN, WRITES_THE_RUNTIME, attack, has_kept_the_runtime
from support.pod import Bind, run_pod, why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]


@pytest.fixture(scope="module")
def lodging(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Bind]:
    """What an init container fills and the pod mounts: the runtime, and what builds write."""
    folder = tmp_path_factory.mktemp("lodging")
    (folder / "runtime").mkdir()
    copied = run_pod(
        ["copy-runtime", "/runtime"],
        binds=[Bind(str(folder / "runtime"), "/runtime", writable=True)],
        mirror=False,
    )
    assert copied.exit_code == 0, copied.output
    binds = [Bind(str(folder / "runtime"), "/yadokari")]
    for name in ("work", "tmp", "input"):
        # As a kubelet makes an emptyDir.
        (folder / name).mkdir()
        (folder / name).chmod(0o777)
        binds.append(Bind(str(folder / name), f"/yadokari/{name}", writable=True))
    return binds


def test_a_step_can_neither_write_nor_move_nor_uncover_the_executors_files(
    tmp_path: Path, lodging: Sequence[Bind]
) -> None:
    result = attack(tmp_path, WRITES_THE_RUNTIME, "--no-push", "--isolation=shared", binds=lodging)
    assert result.exit_code == 0, result.output
    assert has_kept_the_runtime(result.output)


def test_a_step_that_is_not_root_finds_no_place_among_what_builds_write(
    tmp_path: Path, lodging: Sequence[Bind]
) -> None:
    dockerfile = "FROM busybox\nUSER 1000\nRUN ls /yadokari/work || touch /yadokari/work/x || echo kept out\n"
    result = attack(tmp_path, dockerfile, "--no-push", "--isolation=shared", binds=lodging)
    assert result.exit_code == 0, result.output
    assert "\nkept out\n" in result.output


def test_stages_and_caches_work_beside_a_runtime_that_cannot_be_written(
    tmp_path: Path, lodging: Sequence[Bind]
) -> None:
    result = attack(
        tmp_path,
        "FROM busybox AS one\nRUN echo of the stage > /file && mknod /null c 1 3\n"
        "FROM busybox\nCOPY --from=one /file /null /\n"
        "RUN --mount=type=cache,target=/c --mount=from=one,target=/m cat /m/file && touch /c/x\n",
        *("--no-push", "--isolation=shared"),
        binds=lodging,
    )
    assert result.exit_code == 0, result.output
    assert "\nof the stage\n" in result.output


def test_a_runtime_that_can_be_written_is_the_first_thing_that_the_log_tells(tmp_path: Path) -> None:
    result = attack(tmp_path, "FROM scratch\nCOPY Dockerfile /\n", "--no-push", "--use-new-run")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(CAN_BE_WRITTEN)
