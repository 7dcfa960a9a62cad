"""What a step finds around it in a pod, and what it leaves behind."""

from pathlib import Path

import pytest

from support.building import build
from support.pod import why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]


@pytest.mark.parametrize("user", ["root", "1001", "3000000000:3000000001"])
def test_a_steps_user_can_open_its_standard_streams(tmp_path: Path, user: str) -> None:
    built = build(
        tmp_path,
        f"FROM busybox\nUSER {user}\n"
        "RUN echo to-out > /dev/stdout; echo to-err >> /dev/stderr; cat < /dev/stdin; echo end\n",
    )
    assert "\nto-out\nto-err\nend\n" in built.output
