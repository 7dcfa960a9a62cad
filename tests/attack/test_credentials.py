"""Steps that look for the credentials that the executor was started with."""

from pathlib import Path

import pytest

from support.attack import PASSWORD, attack
from support.pod import why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]

# Not the password as it is: the Dockerfile holds this, too.
PATTERN = f"{PASSWORD[:5]}[{PASSWORD[5]}]{PASSWORD[6:-2]}"


def test_no_file_and_no_process_shows_the_credentials(tmp_path: Path, kind: str) -> None:
    result = attack(
        tmp_path,
        f"""\
FROM debian:bookworm
RUN echo {PASSWORD[:5]}$(echo {PASSWORD[5:]}) > /found && grep -q '{PATTERN}' /found && rm /found
RUN ! grep -rls '{PATTERN}' /yadokari /etc /run /tmp /var /root /home /dev/shm && ! env | grep -i auth
RUN for f in environ mem maps auxv; do ! head -c 1 /proc/1/$f || exit 1; done; ! ls /proc/1/fd/0
RUN ! grep -ls '{PATTERN}' /proc/*/environ /proc/*/cmdline && echo nothing
""",
        kind=kind,
    )
    assert result.exit_code == 0, result.output
    assert "\nnothing\n" in result.output
