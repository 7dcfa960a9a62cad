"""Steps that send signals to the executor, which is process 1 of the container that they share."""

from pathlib import Path

import pytest

from support.attack import attack
from support.pod import PodResult, why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]


def require_no_cancellation(result: PodResult, kind: str) -> None:
    """Process 1 is the executor or, in namespaces, the step itself, which may end by what it sends."""
    assert result.exit_code in ((0,) if kind == "baseline" else (0, 11)), result.output
    assert "cancelled" not in result.output


@pytest.mark.parametrize("signal", ["TERM", "INT"])
def test_a_step_cannot_have_the_build_taken_for_cancelled(tmp_path: Path, signal: str, kind: str) -> None:
    result = attack(
        tmp_path,
        f"FROM busybox\nRUN kill -{signal} 1; sleep 0.5; echo went on\nRUN echo and on\n",
        kind=kind,
    )
    require_no_cancellation(result, kind)
    if kind == "baseline":
        assert f"warning: SIG{signal} sent by process " in result.output
        assert "\nand on\n" in result.output


def test_a_step_cannot_end_the_executor_by_any_signal(tmp_path: Path, kind: str) -> None:
    result = attack(
        tmp_path,
        "FROM busybox\nRUN for n in $(seq 64); do kill -$n 1; done; sleep 0.5\nRUN echo went on\n",
        kind=kind,
    )
    require_no_cancellation(result, kind)


def test_a_flood_of_signals_is_told_of_once(tmp_path: Path) -> None:
    result = attack(
        tmp_path, "FROM busybox\nRUN for n in $(seq 5000); do kill -TERM 1; done\nRUN echo went on\n"
    )
    assert result.exit_code == 0, result.output
    assert result.output.count("does not end the build") == 1
