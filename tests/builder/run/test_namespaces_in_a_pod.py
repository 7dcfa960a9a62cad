"""Steps that are containers of their own, in pods that let them."""

from pathlib import Path

import pytest

from support.building import build
from support.pod import why_no_containers
from support.pod.kinds import KINDS

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]

LEVELS = ["namespaces", "own-users-namespaces"]
SHARED = "isolation: shared: steps run in the executor's own container, since others are refused: "
SAID = {
    "baseline": f"{SHARED}unshare: Operation not permitted",
    "no-new-privileges": f"{SHARED}unshare: Operation not permitted",
    "own-users": f"{SHARED}unshare: Operation not permitted",
    "apparmor": f"{SHARED}mount at /: Permission denied",
    "lodging": "isolation: shared: the base is the executor's own container",
    "no-user-namespaces": f"{SHARED}unshare: No space left on device",
    "namespaces": "isolation: namespaces: each step is a container of its own; it sees the pod's /proc",
    "unconfined": "isolation: namespaces: each step is a container of its own; it sees the pod's /proc",
    "own-users-namespaces": "isolation: namespaces: each step is a container of its own\n",
}
WITH_A_BASE = r"""
FROM debian:bookworm
COPY --chown=3:4 . /context/
RUN useradd -m someone && touch -d @1000000000 /old && install -o 5 -g 6 -m 4711 /bin/true /usr/bin/set-id
RUN echo x >> /etc/hosts; touch /dev/x /dev/shm/y; ln -s x /etc/y
# setxattr and getxattr
RUN cp /bin/true /usr/bin/capable && perl -e '$c = pack("H*", "0100000200040000" . "00" x 12); \
    $f = "/usr/bin/capable"; $n = "security.capability"; exit(syscall(188, $f, $n, $c, 20, 0));'
RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t --mount=target=/b,rw \
    touch /c/f /t/f /b/f; mkdir /c2 && rm -r /var/cache/apt
USER someone
WORKDIR /home/someone/work
RUN id > /tmp/id; ln -s /etc/hosts here; mkdir below; ln here below/too
"""
FROM_SCRATCH = """
FROM busybox AS one
RUN echo file > /file && mkdir -p /folder/sub && chown -R 7:8 /folder
FROM scratch
COPY --from=one /folder /dev/staged/
COPY --from=one /bin/busybox /bin/mkdir
RUN ["/bin/mkdir", "/made"]
RUN ["/bin/mkdir", "/again", "/dev/none"]
"""


@pytest.mark.parametrize("kind", KINDS)
def test_the_log_says_which_level_it_is_and_why(tmp_path: Path, kind: str) -> None:
    built = build(tmp_path, "FROM busybox\n", kind=kind)
    assert SAID[kind] in built.output


def test_namespaces_that_cannot_be_had_fail_with_what_the_pod_needs(tmp_path: Path) -> None:
    built = build(tmp_path, "FROM busybox\n", "--isolation=namespaces")
    assert built.result.exit_code == 2
    assert "unshare: Operation not permitted: the pod needs a seccomp profile that allows" in built.output


@pytest.mark.parametrize("kind", LEVELS)
def test_a_step_is_alone(tmp_path: Path, kind: str) -> None:
    built = build(
        tmp_path,
        "FROM busybox\n"
        f"RUN echo pid $$; ls -d /yadokari /kaniko {tmp_path} 2>/dev/null; kill -TERM 1;"
        " (setsid sleep 1000 &)\n"
        "RUN ! grep -a AUTH /proc/*/environ 2>/dev/null; ps | grep -c 'sleep 100[0]'; echo end\n",
        env={"DOCKER_AUTH_CONFIG": "{}"},
        kind=kind,
    )
    assert built.result.exit_code == 0, built.output
    assert "\npid 1\n  done" in built.output
    assert "\n0\nend\n" in built.output


def test_a_step_with_a_proc_of_its_own_sees_its_own_processes(tmp_path: Path) -> None:
    step = "RUN tr '\\0' ' ' < /proc/1/cmdline; ! ps | grep '[e]xecutor'\n"
    built = build(tmp_path, f"FROM busybox\n{step}", kind="own-users-namespaces")
    assert built.result.exit_code == 0, built.output
    assert "\n/bin/sh -c tr " in built.output


@pytest.mark.parametrize("kind", LEVELS)
def test_mounts_are_what_they_are_asked_to_be(tmp_path: Path, kind: str) -> None:
    built = build(
        tmp_path,
        "FROM busybox\n"
        "RUN --mount=target=/b ! touch /b/x && ! rm /b/Dockerfile && ! mount -o remount,rw /b && ! mv /b /c\n"
        "RUN --mount=target=/b --mount=type=cache,target=/b/deep/c touch /b/deep/c/x && ! touch /b/y\n"
        "RUN --mount=target=/b,rw rm /b/Dockerfile\n"
        "RUN --mount=type=tmpfs,target=/t,size=64k --mount=type=secret,id=s,target=/t/s"
        " cat /t/s; ! head -c 100000 /dev/zero > /t/x; du -k /t/x\n"
        "RUN --network=none ifconfig -a | grep encap; ifconfig | grep addr:\n"
        "RUN umount /etc/hosts || rm /etc/hosts || mv /etc/resolv.conf /x || echo held\n",
        "--secret=id=s,env=SECRET",
        env={"SECRET": "hush"},
        kind=kind,
    )
    assert built.result.exit_code == 0, built.output
    assert "\nhush" in built.output
    assert "\n64\t/t/x\n" in built.output
    assert "\nlo        Link encap:Local Loopback  \n          inet addr:127.0.0.1  Mask" in built.output
    assert "\nheld\n" in built.output


@pytest.mark.parametrize("dockerfile", [WITH_A_BASE, FROM_SCRATCH], ids=["with a base", "from scratch"])
def test_layers_are_the_same_at_both_levels_to_the_byte(tmp_path: Path, dockerfile: str) -> None:
    built = [
        build(tmp_path / kind, dockerfile, "--reproducible", kind=kind) for kind in ("baseline", *LEVELS)
    ]
    for each in built:
        assert each.result.exit_code == 0, each.output
    assert len({each.image.digest for each in built}) == 1, [each.image.layer_digests for each in built]


@pytest.mark.parametrize("kind", LEVELS)
def test_a_step_that_makes_device_nodes_is_told_of_the_other_level(tmp_path: Path, kind: str) -> None:
    built = build(tmp_path, "FROM busybox\nRUN mknod /null c 1 3\n", kind=kind)
    assert built.result.exit_code == 11
    assert "cannot make device nodes: build with --isolation=shared" in built.output
