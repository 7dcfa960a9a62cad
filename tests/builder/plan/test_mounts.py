"""What RUN --mount asks for, with its defaults, and what is wrong with it before anything is mounted."""

import pytest

from yadokari_builder.dockerfile.instructions import Mount
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.mounts import parse_mount
from yadokari_builder.plan.mounts import read_mounts
from yadokari_builder.plan.steps import (
    BindRequest,
    CacheRequest,
    ContextSource,
    MountRequest,
    SecretRequest,
    Source,
    SshRequest,
    StageSource,
    TmpfsRequest,
)


def source(mount: Mount) -> Source:
    return StageSource(1) if mount.from_ else ContextSource()


def read(*texts: str, working_dir: str = "/work", namespace: str = "") -> tuple[MountRequest, ...]:
    return read_mounts([parse_mount(text, str) for text in texts], working_dir, source, namespace)


def test_the_ids_of_caches_are_those_of_a_namespace_if_there_is_one() -> None:
    (given, target, bind) = read(
        "type=cache,target=/c,id=x", "type=cache,target=/c", "from=a", namespace="ns"
    )
    assert (given, target) == (CacheRequest("/c", "ns/x"), CacheRequest("/c", "ns//c"))
    assert bind == BindRequest("/work", StageSource(1))


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("source=../src/./x,target=in/", BindRequest("/work/in", ContextSource(), "/src/x")),
        ("from=a,target=/in,rw", BindRequest("/in", StageSource(1), readonly=False)),
        ("from=a", BindRequest("/work", StageSource(1))),
        ("type=tmpfs,target=t,size=1k", TmpfsRequest("/work/t", 1024)),
        ("type=cache,target=/c/", CacheRequest("/c", "/c")),
        ("type=cache,target=c", CacheRequest("/work/c", "c")),
        ("type=cache", CacheRequest("/work", ".")),
        ("type=cache,target=/c,id=x,sharing=locked", CacheRequest("/c", "x", sharing="locked")),
        ("type=cache,target=/c,ro", CacheRequest("/c", "/c", readonly=True)),
        ("type=cache,target=/c,uid=1,gid=2,mode=700", CacheRequest("/c", "/c", uid=1, gid=2, mode=0o700)),
        ("type=cache,target=/c,from=a", CacheRequest("/c", "/c", StageSource(1), is_filled=True)),
        (
            "type=cache,target=/c,from=a,source=s,uid=5",
            CacheRequest("/c", "/c", StageSource(1), "/s", is_filled=True, uid=5),
        ),
        ("type=cache,target=/c,from=a,uid=5", CacheRequest("/c", "/c", StageSource(1), uid=5)),
        ("type=secret,id=a/b", SecretRequest("a/b", "/run/secrets/b")),
        ("type=secret,source=token", SecretRequest("token", "/run/secrets/token")),
        ("type=secret,target=/run/x/", SecretRequest("x", "/run/x")),
        ("type=secret,target=etc/t,mode=444", SecretRequest("t", "/etc/t", mode=0o444)),
        ("type=secret,id=a,env=A", SecretRequest("a", variable="A")),
        ("type=secret,id=a,env=A,target=/t,required", SecretRequest("a", "/t", "A", required=True)),
        ("type=ssh", SshRequest("/run/buildkit/ssh_agent.0")),
        ("type=ssh,id=x,target=a,uid=3", SshRequest("/a", "x", uid=3)),
    ],
)
def test_what_is_not_said_has_buildkit_s_defaults(text: str, request_: MountRequest) -> None:
    assert read(text) == (request_,)


def test_agents_without_a_target_are_numbered() -> None:
    requests = read("type=ssh", "type=tmpfs,target=/t", "type=ssh,target=/a", "type=ssh")
    assert [request.target for request in requests] == [
        "/run/buildkit/ssh_agent.0",
        "/t",
        "/a",
        "/run/buildkit/ssh_agent.2",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("target=/", 'invalid mount target "/"'),
        ("target=/a/..", 'invalid mount target "/"'),
        ("type=cache", 'invalid mount target "/"'),
        ("type=tmpfs", 'invalid mount target "/"'),
        ("type=secret,target=/", 'invalid mount target "/"'),
        ("type=ssh,target=/", 'invalid mount target "/"'),
        ("type=ssh,source=/x", "ssh does not support source"),
        ("type=secret,id=a,env=", "the variable of a secret needs a name"),
    ],
)
def test_what_cannot_be_mounted_is_refused(text: str, message: str) -> None:
    with pytest.raises(LanguageError) as refused:
        read(text, working_dir="/")
    assert refused.value.message == message
