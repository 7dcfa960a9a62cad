"""Contexts as the arguments of a build have them opened."""

import ssl
from pathlib import Path

import pytest

from support.executor import Executor
from support.git import WHY_NO_GIT, make_repository, smart_http
from support.registry import Certificate

NO_TLS = "--git=insecure-skip-tls=true"


@pytest.mark.long
@pytest.mark.skipif(bool(WHY_NO_GIT), reason=WHY_NO_GIT)
def test_a_repository_may_be_anybodys_where_that_is_asked_for(
    executor: Executor, certificate: Certificate, tmp_path: Path
) -> None:
    (tmp_path / "served/app.git").mkdir(parents=True)
    (tmp_path / "served/app.git/Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    make_repository(tmp_path / "served/app.git")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    with smart_http(tmp_path / "served", context=context) as address:
        arguments = (f"--context={address}/app.git", "--no-push", "--dockerfile=Dockerfile")
        refused = executor("FROM nowhere\n", *arguments)
        done = executor("FROM nowhere\n", *arguments, NO_TLS)
        told = executor("FROM nowhere\n", *arguments, NO_TLS, GIT_TOKEN="t0ken")
    assert refused.code == 20, refused.log
    assert done.code == told.code == 0, done.log
    assert "gets credentials without verifying certificates" not in done.log
    assert "gets credentials without verifying certificates" in told.log
