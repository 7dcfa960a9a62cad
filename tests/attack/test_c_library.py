"""Steps that write what the C library reads and loads while the executor, with its credentials, runs."""

from pathlib import Path

import pytest

from support.attack import attack
from support.pod import why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]

# A library of glibc's own that says so at the end of every process that has loaded it.
LOUD = "/lib/x86_64-linux-gnu/libmemusage.so"
LOADED = "heap peak: "


@pytest.mark.writable
def test_a_step_cannot_bring_the_library_that_looks_hosts_up(tmp_path: Path, kind: str) -> None:
    result = attack(
        tmp_path,
        "FROM debian:bookworm\n"
        f"RUN LD_PRELOAD={LOUD} /bin/true 2>&1 | grep -q heap.peak\n"
        f"RUN mkdir -p /yadokari/lib /yadokari/e && cp {LOUD} /yadokari/lib/libnss_x.so.2"
        " && echo 'hosts: x files dns' > /yadokari/e/nss\n"
        "ADD http://localhost:1/file /file\n",
        kind=kind,
    )
    assert "http://localhost:1/file cannot be fetched" in result.output
    assert LOADED not in result.output
