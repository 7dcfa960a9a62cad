"""Steps that have something mounted where it would be the executor's, or the pod's."""

from pathlib import Path

import pytest

from support.attack import attack
from support.pod import why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]


@pytest.mark.parametrize(
    ("target", "foreign"),
    [("/l/lib/python3.11", "/yadokari"), ("/l/work/layers", "/yadokari"), ("/p/1/x", "/proc")],
)
@pytest.mark.writable
def test_a_link_of_an_earlier_step_leads_no_mount_into_the_executor(
    tmp_path: Path, target: str, foreign: str, kind: str
) -> None:
    result = attack(
        tmp_path,
        "FROM busybox\nRUN ln -s /yadokari /l && ln -s /proc /p\n"
        f"RUN --mount=type=cache,target={target} touch {target}/mine\n",
        kind=kind,
    )
    if (kind, foreign) == ("namespaces", "/yadokari"):
        assert result.exit_code == 0, "a folder of that name is the image's own"
        return
    assert result.exit_code == 11, result.output
    assert f": {foreign} is the executor's own or mounted in the pod" in result.output


def test_a_link_made_while_a_mount_is_in_place_leads_its_content_nowhere(tmp_path: Path, kind: str) -> None:
    result = attack(
        tmp_path,
        "FROM busybox\nRUN mkdir -p /a/b\n"
        "RUN --mount=type=bind,target=/a/b/lib mv /a/b /a/c && ln -s /yadokari /a/b\n"
        "RUN echo the executor goes on\n",
        kind=kind,
    )
    assert result.exit_code == 0, result.output
    assert "\nthe executor goes on\n" in result.output
