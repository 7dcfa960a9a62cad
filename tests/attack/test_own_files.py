"""Steps that take the executor's files away: what it never opens again, nobody can put something into."""

from pathlib import Path

import pytest

from support.attack import attack
from support.git import make_repository, smart_http
from support.hostile import hostile_server, saying
from support.pod import Bind, why_no_containers
from support.registry import docker_config, make_certificate, running_registry

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]

GONE = """\
RUN for f in lib bin e executor; do rm -rf /yadokari/$f; done; rm -rf /etc/* 2>/dev/null; ! ls /yadokari/lib
"""


@pytest.mark.writable
def test_the_executor_opens_none_of_its_own_files_after_the_first_step(tmp_path: Path, kind: str) -> None:
    certificate = make_certificate(tmp_path / "tls")
    repositories = tmp_path / "repositories"
    repositories.mkdir()
    make_repository(repositories / "repository.git")
    web = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    with (
        hostile_server(web, certificate) as host,
        smart_http(repositories) as git,
        running_registry(tmp_path / "registry", passwords=True, certificate=certificate) as registry,
    ):
        dockerfile = f"""\
FROM busybox
{GONE}
ADD https://{host}/file /file
ADD {git}/repository.git /repository
COPY --from=debian:bookworm --chown=daemon:1 /etc/passwd /etc/
COPY --chmod=u=rw,go=r tls /tls
RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t --mount=type=secret,id=s,env=S \\
    --mount=type=bind,source=tls,target=/b --mount=type=secret,id=s touch /c/x && ls /b
USER daemon
RUN id && head -c 3000000 /dev/urandom > /tmp/random
WORKDIR /w
FROM busybox
COPY --from=0 /tmp /tmp
RUN echo to the end
"""
        outputs = [f"--destination={registry.host}/image:1", f"--tar-path={tmp_path}/out/image.tar"]
        environment = {
            "s": "secret",
            "SSL_CERT_FILE": str(certificate.authority),
            "DOCKER_AUTH_CONFIG": docker_config(registry.host),
        }
        binds = [Bind(str(certificate.authority)), Bind(str(tmp_path / "out"), writable=True)]
        result = attack(
            tmp_path, dockerfile, "--secret=id=s,env=s", *outputs, env=environment, binds=binds, kind=kind
        )
    assert result.exit_code == 0, result.output
    assert "\nto the end\n" in result.output


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("RUN false", "exit code: 1"),
        ("RUN sh -c 'kill -9 $$'; exit $?", "SIGKILL"),
        ("COPY --from=busybox:none / /", "busybox:none"),
        ("ADD http://localhost:1/x /", "cannot be fetched"),
        ("COPY nothing /", "nothing"),
        ("USER nobody-at-all\nRUN true", "unable to find user nobody-at-all"),
        ('RUN ["/not/there"]', "no such file or directory"),
        ("RUN --mount=type=tmpfs,target=/proc/x true", "cannot mount at /proc/x"),
    ],
)
@pytest.mark.writable
def test_errors_are_told_without_the_executors_files(
    tmp_path: Path, step: str, words: str, kind: str
) -> None:
    result = attack(tmp_path, f"FROM busybox\n{GONE}{step}\n", "--no-push", "--verbosity=debug", kind=kind)
    assert result.exit_code not in (0, 30), result.output
    assert words in result.output
    assert "a mistake in Yadokari" not in result.output
