"""Keys: what is in them, what is not, and what they have always been."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.plan.planning import planned
from yadokari_builder.cache.steps.key import (
    Framed,
    Making,
    frame,
    name_in,
    name_of,
    name_of_copy,
    name_without_looking,
    step_key,
    takes,
)
from yadokari_builder.dockerfile.gitref import GitRef
from yadokari_builder.oci.config import ContainerConfig
from yadokari_builder.plan.plan import Plan
from yadokari_builder.plan.steps import GitFiles, LocalFiles, Step

MAKING = Making("linux/amd64", "gzip:-1")
BELOW = ("sha256:base",)


def plan(dockerfile: str, build_args: Mapping[str, str] = MappingProxyType({})) -> Plan:
    bases = {"base:latest": ContainerConfig(), "one:latest": ContainerConfig()}
    return planned(dockerfile, args=build_args, bases=bases)


def last_step(dockerfile: str, build_args: Mapping[str, str] | None = None) -> Step:
    return plan(dockerfile, build_args or {}).target.steps[-1]


def key(
    dockerfile: str,
    build_args: Mapping[str, str] | None = None,
    *,
    below: Sequence[str] = BELOW,
    taken: Sequence[str] = (),
    making: Making = MAKING,
) -> str:
    return step_key(last_step(dockerfile, build_args), below, taken, making).name


GOLDEN = [
    (
        "FROM base\nRUN make",
        "5a16d9ec962b097766d60155c8d043ef5acec22dc95caf76f8ce682ddb419a5c",
    ),
    (
        'FROM base\nENV A=1\nUSER me:you\nWORKDIR /w\nRUN ["make", "all"]',
        "cad38d794bd85bf06d2e7af56236f81a0eee3c8e3ca194379fca10a44e896ead",
    ),
    (
        'FROM base\nSHELL ["/bin/bash", "-c"]\nRUN <<end\necho a\nend',
        "f348b53ae28ef4925e030592e2ba2279d8ec9d42a523c6d2162f37bd372d660c",
    ),
    (
        "FROM base\nRUN --network=none --mount=type=cache,target=/c,id=i,sharing=locked"
        " --mount=type=secret,id=s,required=true --mount=type=tmpfs,target=/t --mount=type=ssh"
        " --mount=target=/src make",
        "4eef941de0170cd2d585da80f75bbf64631bcd1e78f142aedf1d00343459d660",
    ),
    (
        "FROM base\nCOPY --chown=1:2 --chmod=755 a b /d/",
        "cb2637ab1ef7914dd4f06daedd870ce5c623a1bf0e2b7a9444bd0d399894f28f",
    ),
    (
        "FROM base\nCOPY --link a /d",
        "0c6aff7c5839153ec811b97c003a2250fdf92a3f26451a1095d8cd6fced90c90",
    ),
    (
        "FROM base\nADD a.tar /d",
        "546febca62562d93453d085a815ff0130bb386cd7ec9226e89b581bf5dd7dbfc",
    ),
    (
        "FROM base\nWORKDIR /some/where",
        "451d0e5eda5f9db8b6fdf4493d0879c3b7be646f345aa8d95fc7134cfa4bfa34",
    ),
]


@pytest.mark.parametrize(("dockerfile", "expected"), GOLDEN, ids=range(len(GOLDEN)))
def test_a_key_is_what_it_has_always_been(dockerfile: str, expected: str) -> None:
    """Whoever changes keys changes `VERSION`, and then these."""
    assert key(dockerfile, taken=["a" * 64]) == expected


def test_what_may_be_in_the_root_is_in_the_key() -> None:
    assert key("FROM base\nRUN make", below=("sha256:other",)) != key("FROM base\nRUN make")
    assert key("FROM base\nCOPY a /", below=("sha256:other",)) != key("FROM base\nCOPY a /")


def test_a_linked_copy_does_not_care_what_it_stands_on() -> None:
    linked = "FROM base\nCOPY --link --chown=1:2 a /"
    assert key(linked, below=("sha256:other",)) == key(linked)


def test_a_linked_copy_that_looks_up_an_owner_does() -> None:
    linked = "FROM base\nCOPY --link --chown=me a /"
    assert key(linked, below=("sha256:other",)) != key(linked)


def test_an_argument_in_scope_is_in_the_key_of_a_process() -> None:
    dockerfile = "FROM base\nARG A\nRUN make"
    assert key(dockerfile, {"A": "1"}) != key(dockerfile, {"A": "2"})


def test_an_argument_that_is_declared_later_is_not() -> None:
    first = "FROM base\nRUN make\nARG A"
    steps = [plan(first, {"A": value}).target.steps[0] for value in "12"]
    assert len({step_key(step, BELOW, (), MAKING).name for step in steps}) == 1


def test_an_argument_is_not_in_the_key_of_a_copy_that_does_not_use_it() -> None:
    dockerfile = "FROM base\nARG A\nCOPY a /"
    assert key(dockerfile, {"A": "1"}) == key(dockerfile, {"A": "2"})
    assert key(f"{dockerfile}$A", {"A": "1"}) != key(f"{dockerfile}$A", {"A": "2"})


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "no_proxy", "ALL_PROXY"])
def test_a_proxy_is_in_no_key(name: str) -> None:
    dockerfile = "FROM base\nRUN make"
    assert key(dockerfile, {name: "http://one:1"}) == key(dockerfile)


def test_a_proxy_that_the_dockerfile_declares_is() -> None:
    dockerfile = "FROM base\nARG HTTP_PROXY\nRUN make"
    assert key(dockerfile, {"HTTP_PROXY": "http://one:1"}) != key(dockerfile)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("RUN make", "RUN make all"),
        ("RUN make", 'RUN ["make"]'),
        ("RUN make", "USER me\nRUN make"),
        ("RUN make", "WORKDIR /w\nRUN make"),
        ("RUN make", "ENV A=b\nRUN make"),
        ("RUN make", 'SHELL ["/bin/bash", "-c"]\nRUN make'),
        ("RUN make", "RUN --network=none make"),
        ("RUN make", "RUN --mount=type=tmpfs,target=/t make"),
        ("RUN --mount=type=cache,target=/c make", "RUN --mount=type=cache,target=/c,id=d make"),
        ("RUN --mount=type=secret,id=a make", "RUN --mount=type=secret,id=b make"),
        ("RUN <<e\n#!/bin/sh\na\ne", "RUN <<e\n#!/bin/sh\nb\ne"),
        ("RUN <<e\na\ne", "RUN <<e\nb\ne"),
        ("COPY a /", "COPY a /b"),
        ("COPY a /b", "COPY a /b/"),
        ("COPY a /", "COPY --chown=1 a /"),
        ("COPY a /", "COPY --chmod=700 a /"),
        ("COPY a /", "COPY --link a /"),
        ("WORKDIR /a", "WORKDIR /b"),
        ("WORKDIR /a", "USER me\nWORKDIR /a"),
    ],
)
def test_what_a_step_does_is_in_its_key(one: str, other: str) -> None:
    assert key(f"FROM base\n{one}") != key(f"FROM base\n{other}")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("RUN make", "LABEL a=b\nRUN make"),
        ("RUN make", "CMD x\nEXPOSE 80\nENTRYPOINT y\nSTOPSIGNAL 9\nVOLUME /v\nRUN make"),
        ("COPY a /", 'ENV A=b\nSHELL ["x"]\nCOPY a /'),
        ("COPY a /", "COPY b /"),
        ("COPY a /", "ADD a /"),
    ],
)
def test_what_makes_no_difference_is_in_no_key(one: str, other: str) -> None:
    """What is copied is named by its content, which the tests of that are about."""
    assert key(f"FROM base\n{one}") == key(f"FROM base\n{other}")


def test_how_layers_are_made_is_in_the_key() -> None:
    others = [
        replace(MAKING, platform="linux/arm64"),
        replace(MAKING, compression="zstd:3"),
        replace(MAKING, ignored=("/var/run",)),
        replace(MAKING, timestamp=0),
    ]
    keys = {key("FROM base\nRUN make", making=making) for making in (MAKING, *others)}
    assert len(keys) == 5


def test_what_is_taken_is_in_the_key_in_its_order() -> None:
    dockerfile = "FROM base\nCOPY a b /"
    keys = [key(dockerfile, taken=taken) for taken in (["1", "2"], ["2", "1"], ["12"], ["1", "2", ""])]
    assert len(set(keys)) == 4


def test_all_that_a_step_takes_is_known() -> None:
    found = plan(
        "FROM one AS a\nFROM base\nRUN --mount=target=/m,source=dir --mount=from=a,target=/n"
        " --mount=type=cache,target=/c --mount=type=cache,target=/d,from=a,source=/x true"
    )
    taken = takes(found.target.steps[-1])
    assert [copied for copied, _ in taken] == [
        LocalFiles(f"/{name}", is_literal=True) for name in ("dir", "", "x")
    ]


def test_a_copy_is_named_by_what_it_adds_and_not_by_what_it_stands_on() -> None:
    step = last_step("FROM base\nCOPY a /")
    assert name_of_copy(step, ["1"]) == name_of_copy(step, ["1"]) != name_of_copy(step, ["2"])
    assert name_of_copy(step, ["1"]) != name_of_copy(last_step("FROM base\nCOPY a /b"), ["1"])


def test_what_is_taken_of_a_named_source_is_told_by_what_was_asked_for() -> None:
    one = name_in("stage", LocalFiles("/a"), None)
    assert one == name_in("stage", LocalFiles("/a"), None)
    assert len({one, name_in("other", LocalFiles("/a"), None), name_in("stage", LocalFiles("/b"), None)}) == 3


values: st.SearchStrategy[Framed] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner).map(tuple),
)


@given(values, values)
def test_no_two_values_are_framed_alike(one: Framed, other: Framed) -> None:
    assert (frame(one) == frame(other)) == (canonical(one) == canonical(other))


def canonical(value: Framed) -> object:
    """Return a value of which equality tells kinds apart; text stands for its bytes."""
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, tuple):
        return tuple(map(canonical, value))
    return (type(value).__name__, value)


def test_names_are_of_framed_values() -> None:
    assert name_of("ab", "c") != name_of("a", "bc")
    assert name_of() == "0db2e8105005bd716261bab87ab0dafb638c42e4ff9c41bec5c39a735053dfc8"


def test_a_commit_is_the_same_from_anywhere_but_where_the_repository_comes_with_it() -> None:
    commit = "1" * 40
    here = GitRef("https://a.test/x.git", "main", checksum=commit)
    there = GitRef("https://b.test/x.git", "other", checksum=commit)
    files = {name_without_looking(GitFiles(ref), None) for ref in (here, there)}
    repositories = {name_without_looking(GitFiles(ref, keeps_git_dir=True), None) for ref in (here, there)}
    assert len(files) == 1
    assert len(repositories - files) == 2
