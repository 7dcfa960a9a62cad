"""Git repositories by ssh, fetched by the executor image: as the context, and between steps."""

from pathlib import Path

import pytest

from support.git import WHY_NO_GIT, git, make_repository
from support.pod import run_pod, why_no_containers
from support.sshd import WHY_NO_SSHD, running_sshd

WHY_NOT = why_no_containers() or WHY_NO_GIT or WHY_NO_SSHD
pytestmark = [pytest.mark.pod, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]

DOCKERFILE = """\
FROM debian:bookworm
ARG SITE
COPY page /page
RUN rm -rf /yadokari/lib/libssh* 2>/dev/null; mkdir -p /etc/ssh /root/.ssh \
 && echo 'ProxyCommand touch /made' > /etc/ssh/ssh_config && cp /etc/ssh/ssh_config /root/.ssh/config
ADD ${SITE}/project.git /added
RUN cmp /page /added/page && test ! -e /made
RUN ! env | grep ^SSH_ && ! grep -rls 'OPENSSH PRI[V]ATE' /etc /run /tmp /var /root /home /dev/shm /yadokari
RUN for f in environ mem maps; do ! head -c 1 /proc/1/$f || exit 1; done; echo nothing
"""


def test_a_key_fetches_the_context_and_what_is_added_and_no_step_sees_it(tmp_path: Path) -> None:
    project = tmp_path / "project.git"
    project.mkdir()
    (project / "page").write_text("page")
    (project / "Dockerfile").write_text(DOCKERFILE)
    make_repository(project)
    with running_sshd(tmp_path / "sshd") as sshd:
        site = f"{sshd.site}{tmp_path}"
        result = run_pod(
            [f"--context={site}/project.git#main", f"--build-arg=SITE={site}", "--no-push"],
            env={"SSH_PRIVATE_KEY": sshd.key(), "SSH_KNOWN_HOSTS": sshd.known_hosts()},
        )
        log = result.output
        assert result.exit_code == 0, log
        assert f"the build context is {git(project, 'rev-parse', 'HEAD')}" in log
        assert "\nnothing\n" in log
        assert not any(line in log for line in sshd.key().splitlines())
        unknown = run_pod([f"--context={site}/project.git", "--no-push"], env={"SSH_PRIVATE_KEY": sshd.key()})
    assert unknown.exit_code == 14, unknown.output
    assert "is not known: it shows the key SHA256:" in unknown.output
